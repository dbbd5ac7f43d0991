#include "ir/ops/convolution.h"

#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

std::vector<WindowAxis> conv_windows(const Node& node, const ConvInputs& inputs) {
  return windows_of(node, spatial_axes(node.input(inputs.x)->shape()),
                    spatial_axes(node.input(inputs.w)->shape()));
}

void check_kernel_shape(const InferContext& context, const Shape& kernel) {
  if (!context.node().has("kernel_shape")) return;
  Shape given = kernel_attribute(context.node());
  if (given.empty()) return;
  for (size_t i = 0; i < kernel.size(); ++i)
    require_equal_extents(context, given[i], kernel[i], "kernel_shape");
}

void check_groups(const InferContext& context, const ConvInputs& inputs) {
  int64_t groups = groups_of(context.node());
  if (groups < 1) context.fail("attribute 'group': expected a positive number, found {}", groups);
  const Shape& weight = context.shape(inputs.w);
  const Dim& channels = context.shape(inputs.x)[1];
  if (channels.is_constant() && weight[1].is_constant() && channels != weight[1] * Dim(groups)) {
    context.fail("input {}: expected {} channels (group {} times {} of the weights), found {}", inputs.x,
                 weight[1].value() * groups, groups, weight[1].value(), channels.value());
  }
  if (weight[0].is_constant() && weight[0].value() % groups != 0) {
    context.fail("attribute 'group': {} does not divide the {} output channels", groups, weight[0].value());
  }
}

}  // namespace

int64_t groups_of(const Node& node) { return node.attribute<int64_t>("group", 1); }

Shape infer_convolution(const InferContext& context, const ConvInputs& inputs) {
  require_rank_at_least(context, inputs.x, 3);
  require_rank(context, inputs.w, context.rank(inputs.x));
  check_window_attributes(context, context.shape(inputs.x).size() - 2);
  check_kernel_shape(context, spatial_axes(context.shape(inputs.w)));
  check_groups(context, inputs);
  std::vector<WindowAxis> windows = conv_windows(context.node(), inputs);
  check_window_extents(context, windows);
  Shape shape = {context.shape(inputs.x)[0], context.shape(inputs.w)[0]};
  for (const WindowAxis& window : windows) shape.push_back(window.output);
  return shape;
}

void require_channels(const InferContext& context, size_t input, const ConvInputs& inputs,
                      std::string_view what) {
  if (!context.has_input(input)) return;
  require_rank(context, input, 1);
  require_equal_extents(context, context.shape(input)[0], context.shape(inputs.w)[0], what);
}

void lower_convolution(LowerContext& context, const ConvForm& form) {
  const Node& node = context.node();
  const Shape& input = context.input_shape(form.inputs.x);
  const Shape& weight = context.input_shape(form.inputs.w);
  int64_t groups = groups_of(node);
  std::vector<WindowAxis> windows = conv_windows(node, form.inputs);
  check_equal(context, input[1], weight[1] * Dim(groups), "input channels");
  check_outputs(context, windows);

  ContractionBuilder builder(context, context.input_type(form.inputs.x).dtype);
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
  builder.a(context.input(form.inputs.x), a_index, padded);
  builder.b(context.input(form.inputs.w), b_index);
  builder.a_zero_point(form.x_zero_point);
  if (form.w_zero_point) builder.b_zero_point(form.w_zero_point(out_channel));
  Index out = {n, out_channel};
  out.insert(out.end(), place.begin(), place.end());
  builder.finish(context.output(), out, form.result(builder.sum(), out_channel));
}

}  // namespace dlc::ir
