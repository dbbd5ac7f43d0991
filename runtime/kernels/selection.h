// The best of many elements: what TopK and NonMaxSuppression share, and the part of it that is built once per
// ISA (simd/selection.cpp).
#pragma once

#include <cstdint>

#include "runtime/kernels/ordered_key.h"

namespace dlc::kernels {

// An element: keys in ascending order come best first, then positions.
struct Candidate {
  uint64_t key;
  int64_t place;
  friend bool operator<(const Candidate& a, const Candidate& b) {
    return a.key != b.key ? a.key < b.key : a.place < b.place;
  }
};
// The same in one number, for elements of at most 32 bits and positions below 2^32.
using PackedCandidate = uint64_t;

inline void put(Candidate& to, uint64_t key, int64_t place) { to = {key, place}; }
inline void put(PackedCandidate& to, uint64_t key, int64_t place) {
  to = key << 32 | static_cast<uint64_t>(place);
}
inline uint64_t key_of(const Candidate& candidate) { return candidate.key; }
inline uint64_t key_of(PackedCandidate candidate) { return candidate >> 32; }
inline int64_t place_of(const Candidate& candidate) { return candidate.place; }
inline int64_t place_of(PackedCandidate candidate) { return static_cast<int64_t>(candidate & 0xffffffff); }

// Of the row data[0, count), dense, finds the best elements - the greatest or the least - and puts `best` of
// them at the front of `candidates`, best first. Both arrays have room for `count`, which is below 2^32 for
// packed ones.
void select_best(const char* data, KeyFormat format, int64_t count, int64_t best, bool greatest,
                 PackedCandidate* candidates, PackedCandidate* spare);
void select_best(const char* data, KeyFormat format, int64_t count, int64_t best, bool greatest,
                 Candidate* candidates, Candidate* spare);

// Boxes in columns, each of `count` rounded up to kBoxBlock; those behind the last have no area.
struct BoxColumns {
  const float *y0, *x0, *y1, *x1, *area;
  int64_t count;
};
constexpr int64_t kBoxBlock = 16;
struct Box {
  float y0, x0, y1, x1;
  float area() const { return (x1 - x0) * (y1 - y0); }
};

// Of one ISA.
struct SelectionCode {
  // Stores the positions of the elements data[0, count) that are not worse than the limit, and maybe some
  // that are; returns their number. `limit` is an ordered_key(). `places` has room for `count`.
  int64_t (*collect)(const char* data, KeyFormat format, int64_t count, uint64_t limit, bool greatest,
                     int32_t* places);
  // Whether the intersection of a box of some area with one of the others, over their union, exceeds the
  // limit.
  bool (*overlaps_any)(const Box& box, const BoxColumns& others, float limit);
};
const SelectionCode& selection_code();  // for this machine

}  // namespace dlc::kernels
