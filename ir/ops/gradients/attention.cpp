// dlc.Attention: scores and weights are computed anew from queries and keys.
#include <utility>

#include "ir/ops/attention.h"
#include "ir/ops/gradients/rules.h"

namespace dlc::ir {
namespace {

class AttentionGradient {
 public:
  explicit AttentionGradient(GradientContext& context)
      : context_(context),
        b_(context.builder()),
        form_(attention_form(context.node())),
        stages_(define_attention(b_, form_)),
        type_(stages_.weights->dtype()) {}

  void run() {
    const Term dy = grad(context_).cast(type_), weights = term(stages_.weights), v = wide(form_.v);
    give(form_.v, transpose_matrices(weights).apply("MatMul", {dy}));
    const Term d_weights = dy.apply("MatMul", {transpose_matrices(v)});
    Term d_scores = weights * (d_weights - sum(d_weights * weights, {-1}));
    for (size_t i = form_.steps.size(); i-- > 0;) d_scores = through(i, d_scores);
    give(form_.q, d_scores.apply("MatMul", {wide(form_.k)}));
    give(form_.k, transpose_matrices(d_scores).apply("MatMul", {wide(form_.q)}));
  }

 private:
  Term term(Value* value) { return {b_, value}; }
  // An operand in the type that scores are computed in.
  Term wide(Value* value) { return term(value).cast(type_); }

  void give(Value* value, const Term& gradient) { context_.contribute(value, gradient.cast(value->dtype())); }

  // The score before a step.
  Term before(size_t step) {
    if (step > 0) return term(stages_.scores[step - 1]);
    return wide(form_.q).apply("MatMul", {transpose_matrices(wide(form_.k))});
  }

  // The cotangent of the score before a step; operands get theirs.
  Term through(size_t index, const Term& dy) {
    const ScoreStep& step = form_.steps[index];
    const bool first = step.position == 0;
    if (step.op == "Tanh") {
      const Term y = term(stages_.scores[index]);
      return dy * (1 - y * y);
    }
    if (step.op == "Where") return through_where(step, dy);
    Value* operand = step.operands[0];
    const Term other = wide(operand);
    if (step.op == "Add") {
      give(operand, dy);
      return dy;
    }
    if (step.op == "Sub") {
      give(operand, first ? -dy : dy);
      return first ? dy : -dy;
    }
    if (step.op == "Mul") {
      if (context_.wants_value(operand)) give(operand, dy * before(index));
      return dy * other;
    }
    // A quotient: its derivative is that of one operand, times -quotient / divisor for the other.
    const Term y = term(stages_.scores[index]);
    const Term divisor = first ? other : before(index);
    const Term of_dividend = dy / divisor, of_divisor = -(dy * y / divisor);
    give(operand, first ? of_divisor : of_dividend);
    return first ? of_dividend : of_divisor;
  }

  // Where(condition, score, other) or Where(condition, other, score).
  Term through_where(const ScoreStep& step, const Term& dy) {
    const Term condition = term(step.operands[0]);
    const Term if_so = where(condition, dy, 0), else_so = where(condition, 0, dy);
    const bool keeps = step.position == 1;
    give(step.operands[1], keeps ? else_so : if_so);
    return keeps ? if_so : else_so;
  }

  GradientContext& context_;
  Builder& b_;
  AttentionForm form_;
  AttentionStages stages_;
  DType type_;
};

void attention_gradient(GradientContext& context) { AttentionGradient(context).run(); }

constexpr GradientRule kRules[] = {{"Attention", attention_gradient, "dlc"}};

}  // namespace

std::span<const GradientRule> attention_gradients() { return kRules; }

}  // namespace dlc::ir
