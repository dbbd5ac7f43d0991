// Axes that are an input whose elements only the run knows. Their number must be known. Operators infer
// symbols for the extents that the axes decide and expand to forms with fixed axes, on vectors of one element
// an axis.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ir/builder.h"
#include "ir/op.h"

namespace dlc::ir {

// The elements of input `input`: no axes where it is absent or empty, nothing where only the run knows them.
std::optional<std::vector<int64_t>> known_axes(const Node& node, size_t input);
// How many axes input `input` holds; Error where that is not known.
int64_t count_axes(const InferContext& context, size_t input);

// A vector of `rank` elements: values[k] at axes[k], `fallback` elsewhere. Axes may be negative; the run
// fails where one is none of `rank`.
Value* scatter_to_axes(Builder& builder, Value* values, Value* axes, int64_t rank, int64_t fallback);
// 1 at the axes, 0 elsewhere.
Value* mask_of_axes(Builder& builder, Value* axes, int64_t rank);
// `yes` where the mask is 1, `no` where it is 0.
Value* choose_by_mask(Builder& builder, Value* mask, Value* yes, Value* no);
// The first `count` elements of `values` where the mask is 0, in order.
Value* unmasked(Builder& builder, Value* values, Value* mask, int64_t count);
// For each element of the mask the number of zeros before it.
Value* zeros_before(Builder& builder, Value* mask);

}  // namespace dlc::ir
