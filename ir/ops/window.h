// Sliding windows of convolutions and pools: attributes, extents and index arithmetic of one spatial axis
// each.
#pragma once

#include <vector>

#include "ir/ops/lower_util.h"

namespace dlc::ir {

struct WindowAxis {
  Dim input = {};
  Dim kernel = {};  // number of taps
  int64_t stride = 1;
  int64_t dilation = 1;
  Dim pad_begin = {};
  Dim pad_end = {};
  Dim output = {};
  bool ceil = false;  // the last window may begin inside and end beyond the padded input

  Dim reach() const {
    return (kernel - Dim(1)) * Dim(dilation) + Dim(1);
  }  // input elements from first to last tap
  // False only where no window of the output leaves the input.
  bool padded() const { return ceil || pad_begin != Dim(0) || pad_end != Dim(0); }
};

// Error unless the node's strides, dilations, pads, kernel_shape and auto_pad fit `axes` spatial axes.
void check_window_attributes(const InferContext& context, size_t axes);
// Error where a window is larger than its padded input and both are known.
void check_window_extents(const InferContext& context, const std::vector<WindowAxis>& axes);

// The windows of a convolution or pool node over the spatial axes of its input, by its attributes.
std::vector<WindowAxis> windows_of(const Node& node, const Shape& spatial, const Shape& kernel);
Shape spatial_axes(const Shape& shape);    // the axes from 2 on
Shape kernel_attribute(const Node& node);  // kernel_shape
Shape outputs_of(const std::vector<WindowAxis>& axes);
Shape kernels_of(const std::vector<WindowAxis>& axes);

// Fails the run where an extent turns out to be negative: a window larger than its input.
void check_outputs(LowerContext& context, const std::vector<WindowAxis>& axes);

// Input coordinate of a tap of the window at an output coordinate; outside [0, input) for padding.
Expr tap_coordinate(const WindowAxis& axis, const Expr& output, const Expr& tap);
// Taps of the window at an output coordinate that are inside the input: [first, last).
Expr first_tap(const WindowAxis& axis, const Expr& output);
Expr last_tap(const WindowAxis& axis, const Expr& output);
// The row-major number of a tap in its window.
Expr tap_number(const std::vector<WindowAxis>& axes, const Index& taps);
// The number of taps that are inside the padded input.
Expr padded_taps(const WindowAxis& axis, const Expr& output);

// The attribute, or `fallback` for each of `axes` axes.
std::vector<int64_t> per_axis(const Node& node, std::string_view attribute, size_t axes, int64_t fallback);
std::string auto_pad_of(const Node& node);

}  // namespace dlc::ir
