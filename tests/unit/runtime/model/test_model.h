// A model written by hand, for tests of the model runtime: sum = a + b over [batch, 3] and twice = 2 * first
// column of a, which counts as data dependent: [rows], rows = number of positive elements of that column.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/model/api.h"

namespace dlc::test {

const dlc_model& sum_model();

// A dense tensor of floats over the caller's memory.
inline dlc_tensor float_tensor(float* data, int64_t* shape, int32_t rank) {
  return {data, 1, 0, rank, 2, 32, 1, shape, nullptr, 0};
}

// A tensor without memory, for outputs.
inline dlc_tensor no_memory() { return {nullptr, 1, 0, 0, 2, 32, 1, nullptr, nullptr, 0}; }

}  // namespace dlc::test
