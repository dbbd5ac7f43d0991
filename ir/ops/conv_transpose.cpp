// ConvTranspose as one contraction for every stride phase: output elements whose coordinates are equal modulo
// the strides use the same taps, and form a convolution of stride 1 with these.
#include "ir/ops/conv_transpose.h"

#include <numeric>

#include "ir/ops/contract.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/window.h"

namespace dlc::ir {
namespace {

// Shares `total` padding between both ends; what it leaves of the full extent is the output.
Dim leading_share(const Dim& total, bool upper) {
  Dim half = floor_div(total, 2);
  return upper ? half : total - half;
}

TransposedAxis transposed_axis(const Node& node, size_t i, size_t axes) {
  TransposedAxis axis = {.input = node.input(0)->shape()[2 + i], .kernel = node.input(1)->shape()[2 + i]};
  axis.stride = per_axis(node, "strides", axes, 1)[i];
  axis.dilation = per_axis(node, "dilations", axes, 1)[i];
  std::vector<int64_t> pads = per_axis(node, "pads", 2 * axes, 0);
  auto wanted = node.attribute<std::vector<int64_t>>("output_shape", {});
  std::string auto_pad = auto_pad_of(node);
  Dim full = (axis.input - Dim(1)) * Dim(axis.stride) + (axis.kernel - Dim(1)) * Dim(axis.dilation) + Dim(1) +
             Dim(per_axis(node, "output_padding", axes, 0)[i]);
  bool upper = auto_pad == "SAME_UPPER";
  if (node.has("dims")) {
    const auto& dims = node.attribute<std::vector<std::string>>("dims");
    axis.output = Dim::parse(dims[2 + i]);
    axis.pad_begin = pads[i];
  } else if (!wanted.empty()) {
    // The attribute may begin with batch and channels.
    axis.output = wanted[wanted.size() - axes + i];
    axis.pad_begin = leading_share(max(full - axis.output, Dim(0)), upper);
  } else if (upper || auto_pad == "SAME_LOWER") {
    axis.output = axis.input * Dim(axis.stride);
    axis.pad_begin = leading_share(max(full - axis.output, Dim(0)), upper);
  } else {
    bool given = auto_pad == "NOTSET";
    axis.pad_begin = given ? pads[i] : 0;
    axis.output = full - axis.pad_begin - Dim(given ? pads[i + axes] : 0);
  }
  return axis;
}

}  // namespace

std::vector<TransposedAxis> transposed_axes(const Node& node) {
  size_t axes = node.input(0)->shape().size() - 2;
  std::vector<TransposedAxis> result;
  for (size_t i = 0; i < axes; ++i) result.push_back(transposed_axis(node, i, axes));
  return result;
}

namespace {

// ---- Inference --------------------------------------------------------------------------------------------

int64_t groups_of(const Node& node) { return node.attribute<int64_t>("group", 1); }

void check_channels(const InferContext& context) {
  int64_t groups = groups_of(context.node());
  const Shape& weight = context.shape(1);
  if (groups < 1) context.fail("attribute 'group': expected a positive number, found {}", groups);
  require_equal_extents(context, context.shape(0)[1], weight[0], "input channels");
  if (weight[0].is_constant() && weight[0].value() % groups != 0) {
    context.fail("attribute 'group': {} does not divide the {} input channels", groups, weight[0].value());
  }
  if (!context.has_input(2)) return;
  require_rank(context, 2, 1);
  require_equal_extents(context, context.shape(2)[0], weight[1] * Dim(groups),
                        "the bias is one an output channel");
}

void infer_conv_transpose(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  require_rank_at_least(context, 0, 3);
  require_rank(context, 1, context.rank(0));
  size_t axes = context.shape(0).size() - 2;
  check_window_attributes(context, axes);
  check_channels(context);
  auto wanted = context.node().attribute<std::vector<int64_t>>("output_shape", {});
  if (!wanted.empty() && wanted.size() < axes) {
    context.fail("attribute 'output_shape': expected {} numbers, found {}", axes, wanted.size());
  }
  auto extra = context.node().attribute<std::vector<int64_t>>("output_padding", {});
  if (!extra.empty() && extra.size() != axes) {
    context.fail("attribute 'output_padding': expected {} numbers, found {}", axes, extra.size());
  }
  Shape shape = {context.shape(0)[0], context.shape(1)[1] * Dim(groups_of(context.node()))};
  for (const TransposedAxis& axis : transposed_axes(context.node())) {
    if (axis.output.is_constant() && axis.output.value() < 0) {
      context.fail("the padding takes more than there is: output extent {}", axis.output.value());
    }
    if (!axis.kernel.is_constant() || !axis.pad_begin.is_constant()) {
      context.fail("kernel extents and padding must be known at compile time, found {} and {}",
                   axis.kernel.to_string(), axis.pad_begin.to_string());
    }
    shape.push_back(axis.output);
  }
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// ---- Phases -----------------------------------------------------------------------------------------------

// Output coordinates phase + q * stride of one axis. The taps last_tap - j * tap_step, for j in [0, taps),
// take the input coordinates q + offset + j * input_step.
struct Phase {
  int64_t phase = 0;
  int64_t taps = 0;
  int64_t last_tap = 0;
  int64_t tap_step = 1;
  int64_t offset = 0;
  int64_t input_step = 1;
};

Phase phase_of(const TransposedAxis& axis, int64_t phase) {
  int64_t kernel = axis.kernel.value();
  int64_t pad = axis.pad_begin.value();
  Phase result = {.phase = phase};
  result.tap_step = axis.stride / std::gcd(axis.stride, axis.dilation);
  result.input_step = result.tap_step * axis.dilation / axis.stride;
  for (int64_t tap = kernel - 1; tap >= 0; --tap) {
    int64_t position = phase + pad - tap * axis.dilation;
    if (position % axis.stride != 0) continue;
    result.last_tap = tap;
    result.offset = position / axis.stride;
    result.taps = tap / result.tap_step + 1;
    break;
  }
  return result;
}

// All combinations of one phase an axis.
std::vector<std::vector<Phase>> phases_of(const std::vector<TransposedAxis>& axes) {
  std::vector<std::vector<Phase>> result(1);
  for (const TransposedAxis& axis : axes) {
    std::vector<std::vector<Phase>> longer;
    for (const auto& combination : result) {
      for (int64_t phase = 0; phase < axis.stride; ++phase) {
        longer.push_back(combination);
        longer.back().push_back(phase_of(axis, phase));
      }
    }
    result = std::move(longer);
  }
  return result;
}

Dim extent_of(const TransposedAxis& axis, const Phase& phase) {
  return ceil_div(axis.output - Dim(phase.phase), axis.stride);
}

// ---- Lowering ---------------------------------------------------------------------------------------------

Expr bias_at(LowerContext& context, const Expr& channel, DType type) {
  return context.has_input(2) ? cast(context.at_input(2, {channel}), type) : constant(type, 0);
}

// Elements that no tap reaches are the bias.
void lower_empty_phase(LowerContext& context, const std::vector<TransposedAxis>& axes,
                       const std::vector<Phase>& phases) {
  const Shape& output = context.output_shape();
  Shape shape = {output[0], output[1]};
  for (size_t i = 0; i < axes.size(); ++i) shape.push_back(extent_of(axes[i], phases[i]));
  std::vector<VarId> vars = loop_vars(context, shape);
  Index index = index_of(vars);
  Expr value = bias_at(context, index[1], context.output_type().dtype);
  for (size_t i = 0; i < axes.size(); ++i) {
    index[2 + i] = index[2 + i] * integer(axes[i].stride) + integer(phases[i].phase);
  }
  context.loop_nest(nest(vars, shape, shape.size(), {store(context.output(), index, value)}));
}

void lower_phase(LowerContext& context, const std::vector<TransposedAxis>& axes,
                 const std::vector<Phase>& phases) {
  const Shape& input = context.input_shape(0);
  const Shape& weight = context.input_shape(1);
  int64_t groups = groups_of(context.node());
  Dim in_channels = floor_div(weight[0], groups);
  ContractionBuilder builder(context, context.input_type(0).dtype);
  Expr n = builder.axis(input[0], AxisRole::kBatch);
  Expr group = groups == 1 ? integer(0) : builder.axis(groups, AxisRole::kBatch);
  Index place;
  for (size_t i = 0; i < axes.size(); ++i) {
    place.push_back(builder.axis(extent_of(axes[i], phases[i]), AxisRole::kM));
  }
  Expr channel = builder.axis(weight[1], AxisRole::kN);
  Expr out_channel = group * dim(weight[1]) + channel;
  Expr in_channel = group * dim(in_channels) + builder.axis(in_channels, AxisRole::kK);
  Index a_index = {n, in_channel};
  Index b_index = {in_channel, channel};
  Index out = {n, out_channel};
  for (size_t i = 0; i < axes.size(); ++i) {
    const Phase& phase = phases[i];
    Expr j = builder.axis(phase.taps, AxisRole::kWindow);
    a_index.push_back(place[i] + j * integer(phase.input_step) + integer(phase.offset));
    b_index.push_back(integer(phase.last_tap) - j * integer(phase.tap_step));
    out.push_back(place[i] * integer(axes[i].stride) + integer(phase.phase));
  }
  builder.a(context.input(0), a_index, true);
  builder.b(context.input(1), b_index);
  Expr result = builder.sum();
  if (context.has_input(2)) result = result + bias_at(context, out_channel, result.type());
  builder.finish(context.output(), out, result);
}

void lower_conv_transpose(LowerContext& context) {
  std::vector<TransposedAxis> axes = transposed_axes(context.node());
  check_equal(context, context.input_shape(0)[1], context.input_shape(1)[0], "input channels");
  for (const std::vector<Phase>& phases : phases_of(axes)) {
    bool empty = false;
    bool outside = false;
    for (size_t i = 0; i < axes.size(); ++i) {
      empty = empty || phases[i].taps == 0;
      outside = outside || extent_of(axes[i], phases[i]) == Dim(0);
    }
    if (outside) continue;
    if (empty) {
      lower_empty_phase(context, axes, phases);
    } else {
      lower_phase(context, axes, phases);
    }
  }
}

}  // namespace

void register_conv_transpose(OpRegistry& registry) {
  registry.add({.name = "ConvTranspose", .infer = infer_conv_transpose, .lower = lower_conv_transpose});
  // The cotangent of a convolution's input, from that of its result and the weights: ConvTranspose with the
  // attributes of the convolution and the extents `dims` of its input, which attributes could not give where
  // they are symbolic.
  registry.add({.domain = "dlc",
                .name = "ConvInputGradient",
                .infer = infer_conv_transpose,
                .lower = lower_conv_transpose});
}

}  // namespace dlc::ir
