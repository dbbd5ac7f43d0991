// Tables of n-grams in the constants of a model. For each length n: n, the number of n-grams, the size of a
// hash table (a power of two), for each n-gram its n items and its column, and the table: numbers of n-grams,
// -1: free.
#pragma once

#include <cstdint>

namespace dlc {

// Of items[0], items[step], ...
inline uint64_t hash_items(const int64_t* items, int64_t count, int64_t step) {
  uint64_t hash = 0;
  for (int64_t i = 0; i < count; ++i) {
    hash = (hash ^ static_cast<uint64_t>(items[i * step])) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
  }
  return hash;
}

}  // namespace dlc
