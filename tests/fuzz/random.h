// Numbers and values by chance, the same for the same seed on every machine.
#pragma once

#include <cstdint>
#include <iterator>
#include <random>
#include <vector>

#include "runtime/tensor.h"

namespace dlc::test {

using Random = std::mt19937_64;

// Of mutant number `index`.
inline Random random_of(uint64_t seed, uint64_t index) { return Random(seed * 0x9e3779b97f4a7c15 + index); }

// A number below `limit`, which is not 0.
inline size_t below(Random& random, size_t limit) { return static_cast<size_t>(random() % limit); }
inline bool one_in(Random& random, size_t n) { return below(random, n) == 0; }

template <class Range>
const auto& pick_from(const Range& range, Random& random) {
  return *(std::begin(range) + static_cast<std::ptrdiff_t>(below(random, std::size(range))));
}

// An integer at which something may break: limits of types, powers of two and their neighbours.
int64_t telling_int(Random& random);
// Small, as axes, pads, indices and extents are; now and then a telling one.
int64_t likely_int(Random& random);

// Elements that fit a type: plain numbers, in some tensors with NaN, infinities and limits among them.
Tensor random_values(DType type, const std::vector<int64_t>& shape, Random& random);

}  // namespace dlc::test
