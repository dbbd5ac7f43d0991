#include "runtime/kernels/selection.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "runtime/model/api.h"

namespace dlc::kernels {

#if defined(__x86_64__)
namespace v2 {
const SelectionCode& selection_code();
}
namespace v3 {
const SelectionCode& selection_code();
}
namespace v4 {
const SelectionCode& selection_code();
}
#else
namespace baseline {
const SelectionCode& selection_code();
}
#endif

const SelectionCode& selection_code() {
#if defined(__x86_64__)
  const uint64_t features = dlc_machine_features();
  if ((features & DLC_CPU_X86_V4) != 0) return v4::selection_code();
  if ((features & DLC_CPU_X86_V3) != 0) return v3::selection_code();
  return v2::selection_code();
#else
  return baseline::selection_code();
#endif
}

namespace {

// ---- Keys -------------------------------------------------------------------------------------------------

// Of elements with the bits of U: as ordered_key(), turned around for the greatest, so that keys in ascending
// order come best first.
template <class U>
class Keys {
 public:
  Keys(const char* data, KeyKind kind, bool greatest)
      : data_(data),
        negative_(kind == KeyKind::kFloat ? static_cast<U>(~U{0}) : U{0}),
        flip_(static_cast<U>((greatest ? static_cast<U>(~U{0}) : U{0}) ^
                             (kind == KeyKind::kUnsigned ? U{0} : kSign))),
        minus_zero_(kind == KeyKind::kFloat ? kSign : U{0}) {}

  uint64_t operator[](int64_t i) const {
    U bits;
    std::memcpy(&bits, data_ + i * static_cast<int64_t>(sizeof(U)), sizeof(U));
    bits = bits == minus_zero_ ? U{0} : bits;
    const U negative = static_cast<U>(U{0} - (bits >> (8 * sizeof(U) - 1)));
    return static_cast<U>(bits ^ (negative & negative_ & static_cast<U>(~kSign)) ^ flip_);
  }

 private:
  static constexpr U kSign = static_cast<U>(U{1} << (8 * sizeof(U) - 1));
  const char* data_;
  U negative_;    // what negative numbers complement
  U flip_;        // what all do
  U minus_zero_;  // which counts as 0
};

// ---- Sorting ----------------------------------------------------------------------------------------------

constexpr int64_t kFew = 128;  // candidates that are sorted by comparison

template <int kBits>
uint32_t digit_of(PackedCandidate candidate, int pass) {
  return static_cast<uint32_t>(candidate >> (32 + pass * kBits)) & ((1U << kBits) - 1);
}

// By the keys; stable, and so in the order of the positions where keys are equal.
template <int kBits>
void sort_by_digits(PackedCandidate* candidates, PackedCandidate* spare, int64_t count) {
  constexpr int kPasses = (32 + kBits - 1) / kBits;
  uint32_t begins[kPasses][1 << kBits];
  std::memset(begins, 0, sizeof(begins));
  for (int64_t i = 0; i < count; ++i) {
    for (int pass = 0; pass < kPasses; ++pass) ++begins[pass][digit_of<kBits>(candidates[i], pass)];
  }
  PackedCandidate* from = candidates;
  PackedCandidate* to = spare;
  for (int pass = 0; pass < kPasses; ++pass) {
    if (begins[pass][digit_of<kBits>(from[0], pass)] == count) continue;  // one digit
    uint32_t begin = 0;
    for (uint32_t& entry : begins[pass]) begin += std::exchange(entry, begin);
    for (int64_t i = 0; i < count; ++i) to[begins[pass][digit_of<kBits>(from[i], pass)]++] = from[i];
    std::swap(from, to);
  }
  if (from != candidates) std::memcpy(candidates, from, static_cast<size_t>(count) * sizeof(*from));
}

template <class C>
void sort_by_comparison(C* candidates, int64_t count, int64_t best) {
  if (2 * best < count) {
    std::nth_element(candidates, candidates + best, candidates + count);
    count = best;
  }
  std::sort(candidates, candidates + count);
}

// Candidates are in the order of their positions.
void sort_best(PackedCandidate* candidates, PackedCandidate* spare, int64_t count, int64_t best) {
  constexpr int64_t kMany = 8192;
  if (count <= kFew || 16 * best < count) return sort_by_comparison(candidates, count, best);
  count < kMany ? sort_by_digits<8>(candidates, spare, count) : sort_by_digits<11>(candidates, spare, count);
}
void sort_best(Candidate* candidates, Candidate*, int64_t count, int64_t best) {
  sort_by_comparison(candidates, count, best);
}

// ---- Selection --------------------------------------------------------------------------------------------

constexpr int64_t kMostSamples = 1024, kFewestSamples = 64, kElementsPerSample = 8;
constexpr int64_t kPiece = 4096;
constexpr int64_t kInserted = 16;  // best elements that are kept sorted
constexpr int64_t kFirstPiece = 128;

// A key such that with near certainty at least `best` elements are as good: the place of the best in a
// sample, and three standard deviations more. False where that would be most of them.
template <class K>
bool estimate_limit(const K& keys, int64_t count, int64_t best, uint64_t& limit) {
  const int64_t samples = std::min(kMostSamples, count / kElementsPerSample);
  if (samples < kFewestSamples) return false;
  const double expected = static_cast<double>(best * samples) / static_cast<double>(count);
  const auto rank = static_cast<int64_t>(expected + 3 * std::sqrt(expected) + 3);
  if (rank >= samples / 2) return false;
  uint64_t sample[kMostSamples];
  const int64_t step = count / samples;
  for (int64_t i = 0; i < samples; ++i) sample[i] = keys[i * step];
  std::nth_element(sample, sample + rank, sample + samples);
  limit = sample[rank];
  return true;
}

template <class U>
struct Row {
  Row(const char* data, KeyFormat format, bool greatest)
      : data(data), format(format), greatest(greatest), keys(data, format.kind, greatest) {}

  // The places in [first, first + count) of elements that are as good as a key, from `first` on.
  int64_t collect(int64_t first, int64_t count, uint64_t limit, int32_t* places) const {
    const uint64_t ordered =
        greatest ? static_cast<U>(~limit) : limit;  // keys of the greatest are turned around
    return selection_code().collect(data + first * static_cast<int64_t>(sizeof(U)), format, count, ordered,
                                    greatest, places);
  }

  const char* data;
  KeyFormat format;
  bool greatest;
  Keys<U> keys;
};

// Few best elements: a sorted list, which an element seldom gets into. Its last gives the limit for vectors.
template <class U, class C>
void insert_best(const Row<U>& row, int64_t count, int64_t best, C* candidates) {
  auto insert = [&](int64_t place, int64_t at) {
    C candidate;
    put(candidate, row.keys[place], place);
    for (; at > 0 && candidate < candidates[at - 1]; --at) candidates[at] = candidates[at - 1];
    candidates[at] = candidate;
  };
  auto offer = [&](int64_t place) {
    if (row.keys[place] < key_of(candidates[best - 1])) insert(place, best - 1);
  };
  int64_t next = 0;
  for (; next < best; ++next) insert(next, next);
  for (; next < std::min(count, kFirstPiece); ++next) offer(next);
  int32_t places[kPiece];
  for (int64_t piece = kFirstPiece; next < count; piece = std::min(kPiece, 2 * piece)) {
    piece = std::min(piece, count - next);
    const int64_t found = row.collect(next, piece, key_of(candidates[best - 1]), places);
    for (int64_t i = 0; i < found; ++i) offer(next + places[i]);
    next += piece;
  }
}

template <class U, class C>
void select(const Row<U>& row, int64_t count, int64_t best, C* candidates, C* spare) {
  if (0 < best && best <= kInserted) return insert_best(row, count, best, candidates);
  uint64_t limit = 0;
  int64_t found = 0;
  if (estimate_limit(row.keys, count, best, limit)) {
    int32_t places[kPiece];
    for (int64_t first = 0; first < count; first += kPiece) {
      const int64_t here = row.collect(first, std::min(kPiece, count - first), limit, places);
      for (int64_t i = 0; i < here; ++i)
        put(candidates[found++], row.keys[first + places[i]], first + places[i]);
    }
  }
  if (found < best || found == 0) {
    found = count;
    for (int64_t i = 0; i < count; ++i) put(candidates[i], row.keys[i], i);
  }
  sort_best(candidates, spare, found, best);
}

template <class C>
void select_by_width(const char* data, KeyFormat format, int64_t count, int64_t best, bool greatest,
                     C* candidates, C* spare) {
  switch (format.bytes) {
    case 1:
      return select(Row<uint8_t>(data, format, greatest), count, best, candidates, spare);
    case 2:
      return select(Row<uint16_t>(data, format, greatest), count, best, candidates, spare);
    case 4:
      return select(Row<uint32_t>(data, format, greatest), count, best, candidates, spare);
    default:
      return select(Row<uint64_t>(data, format, greatest), count, best, candidates, spare);
  }
}

}  // namespace

void select_best(const char* data, KeyFormat format, int64_t count, int64_t best, bool greatest,
                 PackedCandidate* candidates, PackedCandidate* spare) {
  select_by_width(data, format, count, best, greatest, candidates, spare);
}
void select_best(const char* data, KeyFormat format, int64_t count, int64_t best, bool greatest,
                 Candidate* candidates, Candidate* spare) {
  select_by_width(data, format, count, best, greatest, candidates, spare);
}

}  // namespace dlc::kernels
