// Attention over heads: what the operators of ai.onnx and com.microsoft share.
#pragma once

#include <optional>

#include "ir/op.h"
#include "ir/ops/attention.h"

namespace dlc::ir {

// [batch, length, heads * size] <-> [batch, heads, length, size]
Value* split_heads(Builder& builder, Value* x, int64_t heads);
Value* merge_heads(Builder& builder, Value* x);

// Attention of q, k, v of [batch, heads, length, size], where k and v may have fewer heads, each for a group
// of q's. Operands of the steps broadcast to [batch, heads of q, queries, keys], offset and length to [batch,
// heads of k]. Results in [batch, heads, queries, columns].
struct HeadsResult {
  Value* output = nullptr;
  std::vector<Value*> scores = {};  // after each step
  Value* visible = nullptr;         // after the last step, -infinity for keys that the row does not see
  Value* weights = nullptr;
};
HeadsResult attend_heads(Builder& builder, AttentionForm form);
// The same with heads merged: [batch, queries, heads * columns]; `output` only.
Value* attend_merged(Builder& builder, AttentionForm form);
// The same by the definition, with all that lies between.
HeadsResult define_heads(Builder& builder, AttentionForm form);

// Steps that operators have in common. Without a factor it is 1 / sqrt(size).
ScoreStep scale_step(Builder& builder, const Value* q, std::optional<double> factor);
std::vector<ScoreStep> softcap_steps(Builder& builder, const Value* q, double limit);
// Keeps the score where a bool mask holds, -infinity elsewhere; adds a mask of numbers.
ScoreStep mask_step(Builder& builder, const Value* q, Value* mask);

}  // namespace dlc::ir
