// Slice: what its inputs mean.
#pragma once

#include <optional>
#include <vector>

#include "ir/op.h"

namespace dlc::ir {

// Elements start, start + step, ... of one axis.
struct SliceWindow {
  Dim start;
  Dim length;
};

// What is known before the run of the slice of one axis.
struct AxisSlice {
  size_t axis;
  size_t position;  // in starts, ends and steps
  std::optional<int64_t> step;
  std::optional<SliceWindow> window;
};

// The inputs of a valid Slice, by axis.
std::vector<AxisSlice> slices_of(const Node& node);

}  // namespace dlc::ir
