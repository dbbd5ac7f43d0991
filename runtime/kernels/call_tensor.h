// What runtime kernels share: the shapes that they are called with, and estimates of their work.
#pragma once

#include "runtime/model/abi.h"

namespace dlc::kernels {

inline int64_t count_elements(const dlc_call_tensor& tensor) {
  int64_t count = 1;
  for (int32_t i = 0; i < tensor.rank; ++i) count *= tensor.dims[i];
  return count;
}

// How a tensor falls apart along an axis: outer rows of extent * inner elements.
struct AxisView {
  int64_t outer = 1;
  int64_t extent = 1;
  int64_t inner = 1;
};
inline AxisView view_along(int32_t rank, const int64_t* dims, int64_t axis) {
  AxisView view;
  view.extent = dims[axis];
  for (int64_t i = 0; i < axis; ++i) view.outer *= dims[i];
  for (int64_t i = axis + 1; i < rank; ++i) view.inner *= dims[i];
  return view;
}

// An estimate of nanoseconds for dlc_parallel_for().
inline int64_t bounded_work(double nanoseconds) {
  constexpr int64_t kMost = 1000000000000000;
  return nanoseconds < static_cast<double>(kMost) ? static_cast<int64_t>(nanoseconds) : kMost;
}

}  // namespace dlc::kernels
