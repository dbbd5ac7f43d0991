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

// ---- Sorting ----------------------------------------------------------------------------------------------

constexpr int64_t kFew = 512;  // candidates that are sorted by comparison

template <class C>
void sort_by_comparison(C* candidates, int64_t count, int64_t best) {
  if (2 * best < count) {
    std::nth_element(candidates, candidates + best, candidates + count);
    count = best;
  }
  std::sort(candidates, candidates + count);
}

constexpr int kDigitBits = 11, kPasses = 3;  // of a key of 32 bits
constexpr uint32_t kDigits = 1 << kDigitBits;

uint32_t digit_of(PackedCandidate candidate, int pass) {
  return static_cast<uint32_t>(candidate >> (32 + pass * kDigitBits)) & (kDigits - 1);
}

// Stable, by keys.
void sort_by_digits(PackedCandidate* candidates, PackedCandidate* spare, int64_t count) {
  uint32_t begins[kPasses][kDigits];
  std::memset(begins, 0, sizeof(begins));
  for (int64_t i = 0; i < count; ++i) {
    for (int pass = 0; pass < kPasses; ++pass) ++begins[pass][digit_of(candidates[i], pass)];
  }
  PackedCandidate* from = candidates;
  PackedCandidate* to = spare;
  for (int pass = 0; pass < kPasses; ++pass) {
    if (begins[pass][digit_of(from[0], pass)] == count) continue;  // one digit
    uint32_t begin = 0;
    for (uint32_t& entry : begins[pass]) begin += std::exchange(entry, begin);
    for (int64_t i = 0; i < count; ++i) to[begins[pass][digit_of(from[i], pass)]++] = from[i];
    std::swap(from, to);
  }
  if (from != candidates) std::memcpy(candidates, from, static_cast<size_t>(count) * sizeof(*from));
}

// ---- Selection --------------------------------------------------------------------------------------------

constexpr int64_t kSamples = 1024;
constexpr int64_t kMinSampled = 4 * kSamples;  // elements for which samples pay
constexpr int64_t kPiece = 4096;

float value_of(uint32_t key, bool greatest) {
  key = greatest ? ~key : key;
  const uint32_t bits = (key >> 31) != 0 ? key & 0x7fffffff : ~key;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// A value such that with near certainty at least `best` elements are as good: the place of the best in a
// sample, and three standard deviations more. False where that would be most of them.
bool estimate_limit(const float* data, int64_t count, int64_t best, bool greatest, float& limit) {
  if (count < kMinSampled) return false;
  const double expected = static_cast<double>(best) * kSamples / static_cast<double>(count);
  const auto rank = static_cast<int64_t>(expected + 3 * std::sqrt(expected) + 3);
  if (rank >= kSamples / 2) return false;
  uint32_t keys[kSamples];
  const int64_t step = count / kSamples;
  for (int64_t i = 0; i < kSamples; ++i) keys[i] = key_of(data[i * step], greatest);
  std::nth_element(keys, keys + rank, keys + kSamples);
  limit = value_of(keys[rank], greatest);
  return true;
}

int64_t collect_candidates(const float* data, int64_t count, float limit, bool greatest,
                           PackedCandidate* candidates) {
  const SelectionCode& code = selection_code();
  int32_t places[kPiece];
  int64_t found = 0;
  for (int64_t first = 0; first < count; first += kPiece) {
    const int64_t piece = std::min(kPiece, count - first);
    const int64_t here = code.collect(data + first, piece, limit, greatest, places);
    for (int64_t i = 0; i < here; ++i)
      put(candidates[found++], key_of(data[first + places[i]], greatest), first + places[i]);
  }
  return found;
}

}  // namespace

void sort_best(PackedCandidate* candidates, PackedCandidate* spare, int64_t count, int64_t best) {
  count > kFew ? sort_by_digits(candidates, spare, count) : sort_by_comparison(candidates, count, best);
}
void sort_best(Candidate* candidates, Candidate*, int64_t count, int64_t best) {
  sort_by_comparison(candidates, count, best);
}

int64_t select_best(const float* data, int64_t count, int64_t best, bool greatest,
                    PackedCandidate* candidates, PackedCandidate* spare) {
  float limit = 0;
  int64_t found = 0;
  if (estimate_limit(data, count, best, greatest, limit))
    found = collect_candidates(data, count, limit, greatest, candidates);
  if (found < best || found == 0) {
    found = count;
    for (int64_t i = 0; i < count; ++i) put(candidates[i], key_of(data[i], greatest), i);
  }
  sort_best(candidates, spare, found, best);
  return found;
}

}  // namespace dlc::kernels
