#include "ir/ops/window.h"

#include <algorithm>

#include <fmt/format.h>

#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

void check_list(const InferContext& context, const char* attribute, size_t expected, int64_t minimum) {
  if (!context.node().has(attribute)) return;
  const auto& values = context.node().attribute<std::vector<int64_t>>(attribute);
  if (values.empty()) return;
  if (values.size() != expected) {
    context.fail("attribute '{}': expected {} numbers, found {}", attribute, expected, values.size());
  }
  for (int64_t value : values) {
    if (value < minimum)
      context.fail("attribute '{}': expected {} or more, found {}", attribute, minimum, value);
  }
}

Dim extent_of(const WindowAxis& axis) {
  Dim room = axis.input + axis.pad_begin + axis.pad_end - axis.reach();
  if (!axis.ceil) return floor_div(room, axis.stride) + Dim(1);
  // Windows that would begin behind the input and its left padding are left out.
  Dim last = floor_div(axis.input + axis.pad_begin - Dim(1), axis.stride) + Dim(1);
  return min(ceil_div(room, axis.stride) + Dim(1), last);
}

void pad_to_same(WindowAxis& axis, bool upper) {
  axis.output = ceil_div(axis.input, axis.stride);
  Dim total = max((axis.output - Dim(1)) * Dim(axis.stride) + axis.reach() - axis.input, Dim(0));
  Dim half = floor_div(total, 2);
  axis.pad_begin = upper ? half : total - half;
  axis.pad_end = upper ? total - half : half;
}

Expr ceil_quotient(const Expr& a, int64_t b) {
  return b == 1 ? a : binary(ExprOp::kFloorDiv, a + integer(b - 1), integer(b));
}

}  // namespace

std::vector<int64_t> per_axis(const Node& node, std::string_view attribute, size_t axes, int64_t fallback) {
  auto values = node.attribute<std::vector<int64_t>>(attribute, {});
  if (values.empty()) values.assign(axes, fallback);
  return values;
}

std::string auto_pad_of(const Node& node) { return node.attribute<std::string>("auto_pad", "NOTSET"); }

void check_window_attributes(const InferContext& context, size_t axes) {
  check_list(context, "kernel_shape", axes, 1);
  check_list(context, "strides", axes, 1);
  check_list(context, "dilations", axes, 1);
  check_list(context, "pads", 2 * axes, 0);
  std::string auto_pad = auto_pad_of(context.node());
  constexpr const char* kForms[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
  if (std::find(std::begin(kForms), std::end(kForms), auto_pad) == std::end(kForms)) {
    context.fail("attribute 'auto_pad': expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, found '{}'",
                 auto_pad);
  }
}

void check_window_extents(const InferContext& context, const std::vector<WindowAxis>& axes) {
  for (const WindowAxis& axis : axes) {
    if (!axis.output.is_constant() || axis.output.value() >= 0) continue;
    context.fail("a window of {} elements does not fit into {} with padding {} and {}",
                 axis.reach().to_string(), axis.input.to_string(), axis.pad_begin.to_string(),
                 axis.pad_end.to_string());
  }
}

std::vector<WindowAxis> windows_of(const Node& node, const Shape& spatial, const Shape& kernel) {
  size_t count = spatial.size();
  std::vector<int64_t> strides = per_axis(node, "strides", count, 1);
  std::vector<int64_t> dilations = per_axis(node, "dilations", count, 1);
  std::vector<int64_t> pads = per_axis(node, "pads", 2 * count, 0);
  std::string auto_pad = auto_pad_of(node);
  bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  std::vector<WindowAxis> result;
  for (size_t i = 0; i < count; ++i) {
    WindowAxis axis = {
        .input = spatial[i], .kernel = kernel[i], .stride = strides[i], .dilation = dilations[i]};
    if (same) {
      pad_to_same(axis, auto_pad == "SAME_UPPER");
    } else {
      axis.ceil = node.attribute<int64_t>("ceil_mode", 0) != 0;
      if (auto_pad == "NOTSET") {
        axis.pad_begin = pads[i];
        axis.pad_end = pads[i + count];
      }
      axis.output = extent_of(axis);
    }
    result.push_back(std::move(axis));
  }
  return result;
}

Shape spatial_axes(const Shape& shape) { return Shape(shape.begin() + 2, shape.end()); }

Shape kernel_attribute(const Node& node) {
  auto values = node.attribute<std::vector<int64_t>>("kernel_shape");
  return Shape(values.begin(), values.end());
}

Shape outputs_of(const std::vector<WindowAxis>& axes) {
  Shape result;
  for (const WindowAxis& axis : axes) result.push_back(axis.output);
  return result;
}

Shape kernels_of(const std::vector<WindowAxis>& axes) {
  Shape result;
  for (const WindowAxis& axis : axes) result.push_back(axis.kernel);
  return result;
}

void check_outputs(LowerContext& context, const std::vector<WindowAxis>& axes) {
  for (const WindowAxis& axis : axes) {
    if (!known_nonnegative(axis.output)) {
      check_equal(context, axis.output, max(axis.output, Dim(0)), "a window larger than its input");
    }
  }
}

Expr tap_coordinate(const WindowAxis& axis, const Expr& output, const Expr& tap) {
  return output * integer(axis.stride) + tap * integer(axis.dilation) - dim(axis.pad_begin);
}

Expr first_tap(const WindowAxis& axis, const Expr& output) {
  if (axis.pad_begin == Dim(0)) return integer(0);
  Expr before = dim(axis.pad_begin) - output * integer(axis.stride);
  return max(integer(0), ceil_quotient(before, axis.dilation));
}

Expr last_tap(const WindowAxis& axis, const Expr& output) {
  if (!axis.ceil && axis.pad_end == Dim(0)) return dim(axis.kernel);
  Expr room = dim(axis.input + axis.pad_begin) - output * integer(axis.stride);
  return min(dim(axis.kernel), ceil_quotient(room, axis.dilation));
}

Expr tap_number(const std::vector<WindowAxis>& axes, const Index& taps) {
  Expr number = integer(0);
  for (size_t i = 0; i < axes.size(); ++i) number = number * dim(axes[i].kernel) + taps[i];
  return number;
}

Expr padded_taps(const WindowAxis& axis, const Expr& output) {
  if (!axis.ceil) return dim(axis.kernel);
  Expr room = dim(axis.input + axis.pad_begin + axis.pad_end) - output * integer(axis.stride);
  return min(dim(axis.kernel), ceil_quotient(room, axis.dilation));
}

}  // namespace dlc::ir
