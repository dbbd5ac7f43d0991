// dlc.Attention: scaled dot-product attention in the general form that all operators and idioms of that kind
// become.
//
//   inputs:  q [batch..., queries, depth], k [batch..., keys, depth], v [batch..., keys, columns], whose
//   batch
//            extents broadcast; offset and length (optional), int64, broadcast to [batch...]; then the
//            operands of the steps, which broadcast to [batch..., queries, keys]
//   output:  [batch..., queries, columns]
//
//   score  = q * k^T, then step by step; a step is an element-wise operator, written "Op:n" where the score
//            is input n of the operator, and takes its other inputs from the operands in turn
//   keys   : query i stands at position p = i + offset and sees the keys [p - left, p + right] (unless the
//            attribute is -1), of these the first `length` ones
//   output = softmax(score over the keys) * v, computed in float for narrower types; `guard` says what a row
//            without a key gives: "none" NaN, "no_keys" zeros, "not_a_number" zeros, also for scores that are
//            NaN
#pragma once

#include <string>
#include <vector>

#include "ir/builder.h"

namespace dlc::ir {

struct ScoreStep {
  std::string op;
  size_t position = 0;  // of the score among the operator's inputs
  std::vector<Value*> operands = {};
};

struct AttentionForm {
  Value* q = nullptr;
  Value* k = nullptr;
  Value* v = nullptr;
  Value* offset = nullptr;
  Value* length = nullptr;
  std::vector<ScoreStep> steps = {};
  int64_t left = -1;
  int64_t right = -1;
  std::string guard = "none";
};

// Whether a score may go through the operator, of the domain ai.onnx, as a step.
bool is_score_step(std::string_view op);

// A dlc.Attention node and what it stands for.
Value* build_attention(Builder& builder, const AttentionForm& form);
AttentionForm attention_form(const Node& node);

// The definition of the attention in simpler operators, with all that lies between. Narrow types are computed
// in float.
struct AttentionStages {
  std::vector<Value*> scores = {};  // after each step
  Value* visible = nullptr;         // after the last one, -infinity for keys that the row does not see
  Value* weights = nullptr;
  Value* output = nullptr;
};
AttentionStages define_attention(Builder& builder, const AttentionForm& form);

class OpRegistry;
void register_standard_attention(OpRegistry& registry);  // ai.onnx

}  // namespace dlc::ir
