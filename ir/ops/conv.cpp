// Conv as a contraction over input channels and window taps.
#include "ir/ops/contract.h"
#include "ir/ops/conv_transpose.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/window.h"

namespace dlc::ir {
namespace {

int64_t groups_of(const Node& node) { return node.attribute<int64_t>("group", 1); }

std::vector<WindowAxis> conv_windows(const Node& node) {
  return windows_of(node, spatial_axes(node.input(0)->shape()), spatial_axes(node.input(1)->shape()));
}

void check_kernel_shape(const InferContext& context, const Shape& kernel) {
  if (!context.node().has("kernel_shape")) return;
  Shape given = kernel_attribute(context.node());
  if (given.empty()) return;
  for (size_t i = 0; i < kernel.size(); ++i)
    require_equal_extents(context, given[i], kernel[i], "kernel_shape");
}

void check_channels(const InferContext& context) {
  int64_t groups = groups_of(context.node());
  if (groups < 1) context.fail("attribute 'group': expected a positive number, found {}", groups);
  const Shape& weight = context.shape(1);
  const Dim& channels = context.shape(0)[1];
  if (channels.is_constant() && weight[1].is_constant() && channels != weight[1] * Dim(groups)) {
    context.fail("input 0: expected {} channels (group {} times {} of the weights), found {}",
                 weight[1].value() * groups, groups, weight[1].value(), channels.value());
  }
  if (weight[0].is_constant() && weight[0].value() % groups != 0) {
    context.fail("attribute 'group': {} does not divide the {} output channels", groups, weight[0].value());
  }
  if (!context.has_input(2)) return;
  require_rank(context, 2, 1);
  require_equal_extents(context, context.shape(2)[0], weight[0], "the bias is one an output channel");
}

void infer_conv(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  require_rank_at_least(context, 0, 3);
  require_rank(context, 1, context.rank(0));
  size_t axes = context.shape(0).size() - 2;
  check_window_attributes(context, axes);
  check_kernel_shape(context, spatial_axes(context.shape(1)));
  check_channels(context);
  std::vector<WindowAxis> windows = conv_windows(context.node());
  check_window_extents(context, windows);
  Shape shape = {context.shape(0)[0], context.shape(1)[0]};
  for (const WindowAxis& window : windows) shape.push_back(window.output);
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void lower_conv(LowerContext& context) {
  const Shape& input = context.input_shape(0);
  const Shape& weight = context.input_shape(1);
  int64_t groups = groups_of(context.node());
  std::vector<WindowAxis> windows = conv_windows(context.node());
  check_equal(context, input[1], weight[1] * Dim(groups), "input channels");
  check_outputs(context, windows);

  ContractionBuilder builder(context, context.input_type(0).dtype);
  Dim channels = floor_div(weight[0], groups);  // output channels of a group
  Expr n = builder.axis(input[0], AxisRole::kBatch);
  Expr group = groups == 1 ? integer(0) : builder.axis(groups, AxisRole::kBatch);
  Index place;
  for (const WindowAxis& window : windows) place.push_back(builder.axis(window.output, AxisRole::kM));
  Expr out_channel = group * dim(channels) + builder.axis(channels, AxisRole::kN);
  Expr in_channel = builder.axis(weight[1], AxisRole::kK);
  Index a_index = {n, group * dim(weight[1]) + in_channel};
  Index b_index = {out_channel, in_channel};
  bool padded = false;
  for (size_t i = 0; i < windows.size(); ++i) {
    Expr tap = builder.axis(windows[i].kernel, AxisRole::kWindow);
    a_index.push_back(tap_coordinate(windows[i], place[i], tap));
    b_index.push_back(tap);
    padded = padded || windows[i].padded();
  }
  builder.a(context.input(0), a_index, padded);
  builder.b(context.input(1), b_index);
  Expr result = builder.sum();
  if (context.has_input(2)) result = result + cast(context.at_input(2, {out_channel}), result.type());
  Index out = {n, out_channel};
  out.insert(out.end(), place.begin(), place.end());
  builder.finish(context.output(), out, result);
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
  register_conv_transpose(registry);
}

}  // namespace dlc::ir
