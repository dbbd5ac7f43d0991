// Convolutions: the cotangent of the input is a transposed convolution, that of the weights a contraction
// over batch and places.
#include "ir/ops/conv_transpose.h"
#include "ir/ops/gradients/rules.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/window.h"

namespace dlc::ir {
namespace {

std::vector<std::string> texts_of(const Shape& shape) {
  std::vector<std::string> result;
  for (const Dim& dim : shape) result.push_back(dim.to_string());
  return result;
}

// What the forms of a convolution share.
struct Window {
  std::vector<int64_t> strides;
  std::vector<int64_t> dilations;
  std::vector<int64_t> pads;
  int64_t group = 1;

  Attributes attributes() const {
    return {{"strides", strides}, {"dilations", dilations}, {"pads", pads}, {"group", group}};
  }
};

int64_t known(GradientContext& context, const Dim& value, const char* what) {
  if (!value.is_constant()) {
    context.fail("{}: expected a number known at compile time, found {}", what, value.to_string());
  }
  return value.value();
}

Window strides_of(const Node& node, size_t axes) {
  return {.strides = per_axis(node, "strides", axes, 1),
          .dilations = per_axis(node, "dilations", axes, 1),
          .pads = std::vector<int64_t>(2 * axes, 0),
          .group = node.attribute<int64_t>("group", 1)};
}

Term input_gradient(const Term& dy, Value* weights, const Window& window, const Shape& shape) {
  Attributes attributes = window.attributes();
  attributes["dims"] = texts_of(shape);
  Builder& builder = dy.builder();
  return {builder, builder.op_in("dlc", "ConvInputGradient", {dy, weights}, attributes)};
}

Term weight_gradient(const Term& x, const Term& dy, const Window& window, const Shape& kernel) {
  Attributes attributes = window.attributes();
  attributes["kernel_shape"] = static_shape(kernel);
  Builder& builder = x.builder();
  return {builder, builder.op_in("dlc", "ConvWeightGradient", {x, dy}, attributes)};
}

void set_bias(GradientContext& context) {
  if (!context.wants(2)) return;
  Term dy = grad(context);
  std::vector<int64_t> axes = all_axes(static_cast<int64_t>(dy.shape().size()));
  axes.erase(axes.begin() + 1);
  context.set(2, context.builder().reduce("ReduceSum", dy, axes, false));
}

Shape kernel_of(GradientContext& context) {
  Shape kernel = spatial_axes(context.input(1)->shape());
  for (const Dim& extent : kernel) known(context, extent, "extent of the weights");
  return kernel;
}

void conv_gradient(GradientContext& context) {
  Term x = input(context, 0);
  Term dy = grad(context);
  Shape kernel = kernel_of(context);
  Window window = strides_of(context.node(), kernel.size());
  std::vector<WindowAxis> axes = windows_of(context.node(), spatial_axes(x.shape()), kernel);
  for (size_t i = 0; i < axes.size(); ++i) {
    window.pads[i] = known(context, axes[i].pad_begin, "padding");
    window.pads[i + axes.size()] = known(context, axes[i].pad_end, "padding");
  }
  if (context.wants(0)) context.set(0, input_gradient(dy, context.input(1), window, x.shape()));
  if (context.wants(1)) context.set(1, weight_gradient(x, dy, window, kernel));
  set_bias(context);
}

// A convolution of the cotangent: windows over the result, one an element of the input. What the windows do
// not reach is cropped.
void conv_transpose_gradient(GradientContext& context) {
  Term dy = grad(context);
  Shape kernel = kernel_of(context);
  Window window = strides_of(context.node(), kernel.size());
  std::vector<TransposedAxis> axes = transposed_axes(context.node());
  Builder& builder = context.builder();
  for (size_t i = 0; i < axes.size(); ++i) {
    const TransposedAxis& axis = axes[i];
    window.pads[i] = known(context, axis.pad_begin, "padding");
    Dim reach = (axis.kernel - Dim(1)) * Dim(axis.dilation) + Dim(1);
    Dim rest = (axis.input - Dim(1)) * Dim(axis.stride) + reach - axis.output - axis.pad_begin;
    int64_t pad_end = known(context, rest, "padding at the end");
    window.pads[i + axes.size()] = std::max<int64_t>(pad_end, 0);
    if (pad_end >= 0) continue;
    dy = dy.apply("Slice", {builder.ints({0}), builder.dims({axis.output + Dim(pad_end)}),
                            builder.ints({static_cast<int64_t>(2 + i)})});
  }
  if (context.wants(0)) context.set(0, dy.apply("Conv", {context.input(1)}, window.attributes()));
  if (context.wants(1)) context.set(1, weight_gradient(dy, input(context, 0), window, kernel));
  set_bias(context);
}

constexpr GradientRule kRules[] = {
    {"Conv", conv_gradient},
    {"ConvTranspose", conv_transpose_gradient},
};

}  // namespace

std::span<const GradientRule> conv_gradients() { return kRules; }

}  // namespace dlc::ir
