// How much two tensors differ.
#pragma once

#include <optional>
#include <string>

#include "runtime/value.h"

namespace dlc::tools {

struct Tolerance {
  double rtol = 1e-3;
  double atol = 1e-7;
};

// The first difference in words: of type, shape or an element (|a - b| > atol + rtol * |b|; NaN equals NaN).
// Nothing where there is none.
std::optional<std::string> first_difference(const Tensor& found, const Tensor& expected,
                                            const Tolerance& tolerance);

// The same for values of any kind; maps are equal in any order of their keys.
std::optional<std::string> first_difference(const Value& found, const Value& expected,
                                            const Tolerance& tolerance);

struct Difference {
  double relative = 0;  // max|a - b| / max|b|; infinite where only one of the two is finite
  double absolute = 0;  // max|a - b|
  double ulps = 0;      // the largest distance of elements in units in the last place of their type
  int64_t index = -1;   // of the largest difference
};

// Requires equal types and shapes, of numbers.
Difference measure_difference(const Tensor& found, const Tensor& expected);

}  // namespace dlc::tools
