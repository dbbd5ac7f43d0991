// ConvTranspose as one contraction for every stride phase: output elements whose coordinates are equal modulo
// the strides use the same taps, and form a convolution of stride 1 with these.
#include "ir/ops/conv_transpose.h"

#include <numeric>

#include <fmt/ranges.h>

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

// Phases (below): each is a kernel of its own.
constexpr int64_t kMaxPhases = 4096;

void check_phases(const InferContext& context, const std::vector<TransposedAxis>& axes) {
  int64_t phases = 1;
  for (const TransposedAxis& axis : axes) {
    phases = axis.stride > kMaxPhases ? kMaxPhases + 1 : phases * axis.stride;
    if (phases <= kMaxPhases) continue;
    context.fail("attribute 'strides': expected a product of {} at most, found {}", kMaxPhases,
                 fmt::join(per_axis(context.node(), "strides", axes.size(), 1), " * "));
  }
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
  const std::vector<TransposedAxis> transposed = transposed_axes(context.node());
  check_phases(context, transposed);
  for (const TransposedAxis& axis : transposed) {
    if (axis.output.is_constant() && axis.output.value() < 0) {
      context.fail("the padding takes more than there is: output extent {}", axis.output.value());
    }
    shape.push_back(axis.output);
  }
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// ---- Phases -----------------------------------------------------------------------------------------------

// Output coordinates first + q * stride of one axis. The taps last_tap - j * tap_step, for j in [0, taps),
// take the input coordinates q + offset + j * input_step.
struct Phase {
  Dim first = {};
  Dim taps = {};
  Dim last_tap = {};
  int64_t tap_step = 1;
  Dim offset = {};
  int64_t input_step = 1;
};

// Of the output coordinates that lie `remainder` behind a multiple of the stride, counted from the beginning
// of the padding: which taps reach them depends on that alone.
Phase phase_of(const TransposedAxis& axis, int64_t remainder) {
  const int64_t common = std::gcd(axis.stride, axis.dilation);
  Phase result = {.first = mod(Dim(remainder) - axis.pad_begin, axis.stride)};
  result.tap_step = axis.stride / common;
  result.input_step = axis.dilation / common;
  if (remainder % common != 0) return result;
  int64_t tap = 0;
  while ((remainder - tap % axis.stride * (axis.dilation % axis.stride)) % axis.stride != 0) ++tap;
  result.taps = ceil_div(axis.kernel - Dim(tap), result.tap_step);
  const Dim rest = result.taps - Dim(1);
  result.last_tap = Dim(tap) + rest * Dim(result.tap_step);
  result.offset = floor_div(result.first + axis.pad_begin - Dim(remainder), axis.stride) +
                  floor_div(Dim(remainder) - Dim(tap) * Dim(axis.dilation), axis.stride) -
                  rest * Dim(result.input_step);
  return result;
}

// All combinations of one phase an axis.
std::vector<std::vector<Phase>> phases_of(const std::vector<TransposedAxis>& axes) {
  std::vector<std::vector<Phase>> result(1);
  for (const TransposedAxis& axis : axes) {
    std::vector<std::vector<Phase>> longer;
    for (const auto& combination : result) {
      for (int64_t remainder = 0; remainder < axis.stride; ++remainder) {
        longer.push_back(combination);
        longer.back().push_back(phase_of(axis, remainder));
      }
    }
    result = std::move(longer);
  }
  return result;
}

Dim extent_of(const TransposedAxis& axis, const Phase& phase) {
  return ceil_div(axis.output - phase.first, axis.stride);
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
    index[2 + i] = index[2 + i] * integer(axes[i].stride) + dim(phases[i].first);
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
    a_index.push_back(place[i] + j * integer(phase.input_step) + dim(phase.offset));
    b_index.push_back(dim(phase.last_tap) - j * integer(phase.tap_step));
    out.push_back(place[i] * integer(axes[i].stride) + dim(phase.first));
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
  for (const TransposedAxis& axis : axes) {
    if (known_nonnegative(axis.output)) continue;
    check_equal(context, axis.output, max(axis.output, Dim(0)), "the padding takes more than there is");
  }
  for (const std::vector<Phase>& phases : phases_of(axes)) {
    bool empty = false;
    bool outside = false;
    for (size_t i = 0; i < axes.size(); ++i) {
      empty = empty || phases[i].taps == Dim(0);
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
