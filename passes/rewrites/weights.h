// Arithmetic on constants inside of rewrite rules.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "runtime/tensor.h"

namespace dlc::passes {

// Element i times factors[channel_of(i)], rounded once.
Tensor scaled(const Tensor& tensor, std::span<const double> factors,
              const std::function<int64_t(int64_t)>& channel_of);

Tensor transposed(const Tensor& tensor, const std::vector<int64_t>& perm);

Tensor vector_of(DType type, std::span<const double> values);
// Shape [values, 1, 1, ...] with `trailing` extents of one.
Tensor column_of(DType type, std::span<const double> values, size_t trailing);
std::vector<double> doubles(const Tensor& tensor);

}  // namespace dlc::passes
