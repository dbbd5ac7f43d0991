// Operators of com.microsoft that ONNX Runtime's optimiser and its model builders write for transformers.
#pragma once

#include "ir/builder.h"
#include "ir/op.h"

namespace dlc::ir {

inline constexpr const char* kContribDomain = "com.microsoft";

void register_contrib_normalization(OpRegistry& registry);
void register_contrib_attention(OpRegistry& registry);
void register_contrib_group_query(OpRegistry& registry);
void register_contrib_fused(OpRegistry& registry);
void register_contrib_quantized(OpRegistry& registry);
void register_contrib_qlinear(OpRegistry& registry);
void register_contrib_qlinear_image(OpRegistry& registry);
void register_contrib_integer(OpRegistry& registry);
void register_contrib_lstm(OpRegistry& registry);
void register_contrib_experts(OpRegistry& registry);

// The range [start, end) of an axis.
Value* range_of_axis(Builder& builder, Value* x, int64_t axis, const Dim& start, const Dim& end);

// x [batch, heads, length, size] with pairs of elements turned: the first 2 * n of `size` by angles whose
// cosine and sine are [max length, n], at `positions` int64 [batch or 1, length]. Pairs are neighbours if
// `interleaved`, else n apart.
Value* rotate_pairs(Builder& builder, Value* x, Value* positions, Value* cosine, Value* sine,
                    bool interleaved);

}  // namespace dlc::ir
