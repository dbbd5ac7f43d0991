// Scans for the best of many elements, and for boxes that overlap one.
#include "runtime/kernels/selection.h"

#include <xsimd/xsimd.hpp>

namespace dlc::kernels::DLC_ISA {
namespace {

using Floats = xsimd::batch<float>;
constexpr int64_t kLanes = static_cast<int64_t>(Floats::size);
static_assert(kBoxBlock % kLanes == 0);

template <bool kGreatest, class V>
auto is_worse(const V& value, const V& limit) {
  if constexpr (kGreatest) {
    return value < limit;
  } else {
    return value > limit;
  }
}

// A NaN is never worse.
template <bool kGreatest>
int64_t collect(const float* data, int64_t count, float limit, int32_t* places) {
  const Floats limits(limit);
  int64_t found = 0;
  auto append = [&](int64_t i) {
    places[found] = static_cast<int32_t>(i);
    found += is_worse<kGreatest>(data[i], limit) ? 0 : 1;
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    if (xsimd::all(is_worse<kGreatest>(Floats::load_unaligned(data + i), limits))) continue;
    for (int64_t lane = 0; lane < kLanes; ++lane) append(i + lane);
  }
  for (; i < count; ++i) append(i);
  return found;
}

int64_t collect(const float* data, int64_t count, float limit, bool greatest, int32_t* places) {
  return greatest ? collect<true>(data, count, limit, places) : collect<false>(data, count, limit, places);
}

bool overlaps_any(const Box& box, const BoxColumns& others, float limit) {
  const Floats y0(box.y0), x0(box.x0), y1(box.y1), x1(box.x1), area(box.area()), zero(0.0F), limits(limit);
  for (int64_t i = 0; i < others.count; i += kLanes) {
    const auto load = [i](const float* column) { return Floats::load_unaligned(column + i); };
    const Floats width = xsimd::min(load(others.x1), x1) - xsimd::max(load(others.x0), x0);
    const Floats height = xsimd::min(load(others.y1), y1) - xsimd::max(load(others.y0), y0);
    const Floats other_area = load(others.area);
    const Floats shared = width * height;
    const Floats all = area + other_area - shared;
    const auto meets =
        (width > zero) & (height > zero) & (shared > zero) & (other_area > zero) & (all > zero);
    if (xsimd::any(meets & (shared / all > limits))) return true;
  }
  return false;
}

constexpr SelectionCode kCode = {collect, overlaps_any};

}  // namespace

const SelectionCode& selection_code();
const SelectionCode& selection_code() { return kCode; }

}  // namespace dlc::kernels::DLC_ISA
