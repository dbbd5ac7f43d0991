// Scans for the best of many elements, and for boxes that overlap one.
#include "runtime/kernels/selection.h"

#include <xsimd/xsimd.hpp>

#include <limits>
#include <type_traits>

namespace dlc::kernels::DLC_ISA {
namespace {

using Floats = xsimd::batch<float>;
constexpr int64_t kLanes = static_cast<int64_t>(Floats::size);
static_assert(kBoxBlock % kLanes == 0);

// Bits of an element as a signed integer of the same order, but that -0 is below 0.
template <KeyKind kKind, class V>
V ordered(const V& bits) {
  using I = typename V::value_type;
  if constexpr (kKind == KeyKind::kSigned) return bits;
  if constexpr (kKind == KeyKind::kUnsigned) return bits ^ V(std::numeric_limits<I>::min());
  return bits ^ ((bits >> (8 * sizeof(I) - 1)) & V(std::numeric_limits<I>::max()));
}

// The same of an element whose ordered_key() is known, such that both zeros pass.
template <KeyKind kKind, class I>
I limit_of(uint64_t key, bool greatest) {
  const auto limit = static_cast<I>(static_cast<std::make_unsigned_t<I>>(key) ^
                                    static_cast<std::make_unsigned_t<I>>(std::numeric_limits<I>::min()));
  return kKind == KeyKind::kFloat && limit == 0 && greatest ? I(-1) : limit;
}

#if defined(__AVX512BW__)
// One bit a lane.
template <class I>
uint64_t bits_of(const xsimd::batch_bool<I>& flags) {
  return static_cast<uint64_t>(flags.data);
}
#endif

template <class I, KeyKind kKind>
int64_t collect(const char* data, int64_t count, uint64_t key, bool greatest, int32_t* places) {
  using V = xsimd::batch<I>;
  constexpr int64_t kWidth = static_cast<int64_t>(V::size);
  const auto* elements = reinterpret_cast<const I*>(data);
  const V limit(limit_of<kKind, I>(key, greatest));
  int64_t found = 0, i = 0;
  // Complements turn the order around.
  const V flip(greatest ? I(0) : I(-1)), flipped_limit = limit ^ flip;
  for (; i + kWidth <= count; i += kWidth) {
    const V value = ordered<kKind>(V::load_unaligned(elements + i)) ^ flip;
    const auto worse = value < flipped_limit;
    if (xsimd::all(worse)) continue;
#if defined(__AVX512BW__)
    for (uint64_t better = bits_of(!worse); better != 0; better &= better - 1)
      places[found++] = static_cast<int32_t>(i + __builtin_ctzll(better));
#else
    bool flags[V::size];
    worse.store_unaligned(flags);
    for (int64_t lane = 0; lane < kWidth; ++lane) {
      places[found] = static_cast<int32_t>(i + lane);
      found += flags[lane] ? 0 : 1;
    }
#endif
  }
  for (; i < count; ++i) places[found++] = static_cast<int32_t>(i);
  return found;
}

template <class I>
int64_t collect(const char* data, KeyKind kind, int64_t count, uint64_t key, bool greatest, int32_t* places) {
  switch (kind) {
    case KeyKind::kUnsigned:
      return collect<I, KeyKind::kUnsigned>(data, count, key, greatest, places);
    case KeyKind::kSigned:
      return collect<I, KeyKind::kSigned>(data, count, key, greatest, places);
    case KeyKind::kFloat:
      return collect<I, KeyKind::kFloat>(data, count, key, greatest, places);
  }
  return 0;
}

int64_t collect(const char* data, KeyFormat format, int64_t count, uint64_t key, bool greatest,
                int32_t* places) {
  switch (format.bytes) {
    case 1:
      return collect<int8_t>(data, format.kind, count, key, greatest, places);
    case 2:
      return collect<int16_t>(data, format.kind, count, key, greatest, places);
    case 4:
      return collect<int32_t>(data, format.kind, count, key, greatest, places);
    default:
      return collect<int64_t>(data, format.kind, count, key, greatest, places);
  }
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
