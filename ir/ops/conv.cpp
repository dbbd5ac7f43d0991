// Conv as a contraction over input channels and window taps.
#include "ir/ops/conv_transpose.h"
#include "ir/ops/convolution.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

void infer_conv(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  Shape shape = infer_convolution(context, {});
  require_channels(context, 2, {}, "the bias is one an output channel");
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void lower_conv(LowerContext& context) {
  auto biased = [&](const Expr& sum, const Expr& channel) {
    return context.has_input(2) ? sum + cast(context.at_input(2, {channel}), sum.type()) : sum;
  };
  lower_convolution(context, {.result = biased});
}

// ---- dlc.ConvWeightGradient: the cotangent of the weights
// --------------------------------------------------- Inputs: the convolution's input and the cotangent of
// its result. With places as the taps of a window it is itself a convolution: sum over batch and places of
// x[n, c, place * stride + tap * dilation - pad] * dy[n, m, place].

std::vector<WindowAxis> gradient_windows(const Node& node) {
  return windows_of(node, spatial_axes(node.input(0)->shape()), kernel_attribute(node));
}

void infer_conv_weight_gradient(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  require_rank_at_least(context, 0, 3);
  require_rank(context, 1, context.rank(0));
  check_window_attributes(context, context.shape(0).size() - 2);
  Shape shape = {context.shape(1)[1], floor_div(context.shape(0)[1], groups_of(context.node()))};
  for (const Dim& extent : kernel_attribute(context.node())) shape.push_back(extent);
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void lower_conv_weight_gradient(LowerContext& context) {
  const Shape& weight = context.output_shape();
  int64_t groups = groups_of(context.node());
  std::vector<WindowAxis> windows = gradient_windows(context.node());
  check_equal(context, context.input_shape(0)[0], context.input_shape(1)[0], "batch");
  for (size_t i = 0; i < windows.size(); ++i) {
    check_equal(context, windows[i].output, context.input_shape(1)[2 + i], "places");
  }
  ContractionBuilder builder(context, context.input_type(0).dtype);
  Dim channels = floor_div(weight[0], groups);  // output channels of a group
  Expr group = groups == 1 ? integer(0) : builder.axis(groups, AxisRole::kBatch);
  Expr in_channel = builder.axis(weight[1], AxisRole::kM);
  Index taps;
  for (const WindowAxis& window : windows) taps.push_back(builder.axis(window.kernel, AxisRole::kM));
  Expr out_channel = group * dim(channels) + builder.axis(channels, AxisRole::kN);
  Expr n = builder.axis(context.input_shape(0)[0], AxisRole::kK);
  Index a_index = {n, group * dim(weight[1]) + in_channel};
  Index b_index = {n, out_channel};
  bool padded = false;
  for (size_t i = 0; i < windows.size(); ++i) {
    Expr place = builder.axis(context.input_shape(1)[2 + i], AxisRole::kWindow);
    a_index.push_back(tap_coordinate(windows[i], place, taps[i]));
    b_index.push_back(place);
    padded = padded || windows[i].padded();
  }
  builder.a(context.input(0), a_index, padded);
  builder.b(context.input(1), b_index);
  Index out = {out_channel, in_channel};
  out.insert(out.end(), taps.begin(), taps.end());
  builder.finish(context.output(), out, builder.sum());
}

}  // namespace

void register_conv(OpRegistry& registry) {
  registry.add({.name = "Conv", .infer = infer_conv, .lower = lower_conv});
  registry.add({.domain = "dlc",
                .name = "ConvWeightGradient",
                .infer = infer_conv_weight_gradient,
                .lower = lower_conv_weight_gradient});
  registry.add(causal_conv_record());
  register_conv_transpose(registry);
}

}  // namespace dlc::ir
