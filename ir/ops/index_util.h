// Indices that come from tensors: counted from the end where negative, checked, and kept within the axis.
#pragma once

#include <optional>
#include <vector>

#include "ir/kernel/lower.h"
#include "ir/op.h"

namespace dlc::ir {

// What is known before the run of the elements of an index tensor.
struct IndexRange {
  std::optional<int64_t> low;
  std::optional<int64_t> high;
};
IndexRange index_range(const Value& indices);

// Error where an index is known to lie outside [-extent, extent).
void require_indices(const InferContext& context, size_t input, const Dim& extent);

// Whether all indices are known to lie in [-extent, extent).
bool known_in_range(const IndexRange& range, const Dim& extent);
// The position in [0, extent) that an index means; one that is out of range gives some position of the axis.
Expr position_of(const Expr& index, const Dim& extent, const IndexRange& range);
// Fails the run where an element of the index tensor is outside [-extent, extent).
void check_indices(LowerContext& context, size_t input, const Dim& extent);

// A constant index tensor of shape [outer..., k] whose elements are affine in the outer indices:
// element j of tuple (i...) = base[j] + sum over l of factor[j][l] * i[l].
struct AffineIndices {
  std::vector<int64_t> base;
  std::vector<std::vector<int64_t>> factor;
};
std::optional<AffineIndices> affine_indices(const Tensor& indices);

}  // namespace dlc::ir
