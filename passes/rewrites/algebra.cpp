// Identities, neutral operands, conversions.
#include <algorithm>
#include <cmath>

#include "ir/op.h"
#include "passes/rewrites/match.h"
#include "passes/rewrites/rules.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Node;
using ir::Value;

bool keep_input(Builder& builder, Node& node, Value* value) {
  if (node.output() == nullptr || value == nullptr) return false;
  builder.replace(node, 0, value);
  return true;
}

bool drop_identity(Builder& builder, Node& node) { return keep_input(builder, node, node.input(0)); }

// Sum, Max, Min, Mean and Concat of one operand.
bool drop_single_operand(Builder& builder, Node& node) {
  return node.inputs().size() == 1 && keep_input(builder, node, node.input(0));
}

// Inference: the data pass. The mask is kept where someone looks at it.
bool drop_dropout(Builder& builder, Node& node) {
  const Value* mask = node.output(1);
  bool training = node.input(2) != nullptr && !is_splat(node.input(2), 0);
  if (training || (mask != nullptr && mask->has_uses())) return false;
  return node.output()->has_uses() && keep_input(builder, node, node.input(0));
}

// x op c is x for all elements, and c does not broadcast x.
bool drop_neutral(Builder& builder, Node& node, double neutral, bool either_side) {
  for (size_t i = 0; i < (either_side ? 2u : 1u); ++i) {
    Value* value = node.input(i);
    if (value == nullptr || splat(node.input(1 - i)) != neutral) continue;
    if (same_shape(value, node.output()) && value->dtype() == node.output()->dtype()) {
      return keep_input(builder, node, value);
    }
  }
  return false;
}

bool drop_add_zero(Builder& builder, Node& node) { return drop_neutral(builder, node, 0, true); }
bool drop_sub_zero(Builder& builder, Node& node) { return drop_neutral(builder, node, 0, false); }
bool drop_mul_one(Builder& builder, Node& node) { return drop_neutral(builder, node, 1, true); }
bool drop_div_one(Builder& builder, Node& node) { return drop_neutral(builder, node, 1, false); }
bool drop_and_true(Builder& builder, Node& node) { return drop_neutral(builder, node, 1, true); }
bool drop_or_false(Builder& builder, Node& node) { return drop_neutral(builder, node, 0, true); }

// f(f(x)) is x.
bool drop_involution(Builder& builder, Node& node) {
  Node* inner = producer(node.input(0), node.op().name);
  return inner != nullptr && keep_input(builder, node, inner->input(0));
}

// f(f(x)) is f(x).
bool drop_repetition(Builder& builder, Node& node) {
  return producer(node.input(0), node.op().name) != nullptr && keep_input(builder, node, node.input(0));
}

// Multiplications are exact where the power is an integer square, and far cheaper.
bool expand_power(Builder& builder, Node& node) {
  Value* x = node.input(0);
  if (!same_shape(x, node.output())) return false;
  if (splat(node.input(1)) == 1.0) return keep_input(builder, node, x);
  if (splat(node.input(1)) == 2.0) return keep_input(builder, node, builder.mul(x, x));
  if (splat(node.input(1)) == 3.0) return keep_input(builder, node, builder.mul(builder.mul(x, x), x));
  return false;
}

// Division by a power of two is exact as a multiplication.
bool divide_by_power_of_two(Builder& builder, Node& node) {
  std::optional<double> divisor = splat(node.input(1));
  if (!divisor || !is_float(node.input(1)->dtype())) return false;
  int exponent = 0;
  if (std::abs(std::frexp(*divisor, &exponent)) != 0.5 || std::abs(exponent) > 10) return false;
  Tensor reciprocal(node.input(1)->dtype(), node.input(1)->constant().shape());
  for (int64_t i = 0; i < reciprocal.size(); ++i) reciprocal.set_double(i, 1 / *divisor);
  return keep_input(builder, node, builder.mul(node.input(0), builder.constant(std::move(reciprocal))));
}

// A condition that is the same everywhere.
bool choose_known(Builder& builder, Node& node) {
  std::optional<double> condition = splat(node.input(0));
  if (!condition) return false;
  Value* chosen = node.input(*condition != 0 ? 1 : 2);
  return same_shape(chosen, node.output()) && keep_input(builder, node, chosen);
}

// Every value of `from` is a value of `to`.
bool is_widening(DType from, DType to) {
  if (from == to) return true;
  if (from == DType::kBool) return is_integer(to) || to == DType::kFloat || to == DType::kDouble;
  if (is_integer(from) && is_integer(to)) {
    if (is_signed(from) && !is_signed(to)) return false;
    return bit_width(from) < bit_width(to);
  }
  if (is_integer(from))
    return to == DType::kDouble ? bit_width(from) <= 32 : to == DType::kFloat && bit_width(from) <= 16;
  if (from == DType::kFloat16 || from == DType::kBfloat16) return to == DType::kFloat || to == DType::kDouble;
  return from == DType::kFloat && to == DType::kDouble;
}

bool simplify_cast(Builder& builder, Node& node) {
  Value* x = node.input(0);
  if (x->dtype() == node.output()->dtype()) return keep_input(builder, node, x);
  // An attribute beyond the type says how to round to small floats.
  Node* inner = node.attributes().size() == 1 ? producer(x, "Cast") : nullptr;
  // The outer conversion of what the inner one has not changed. Conversion to bool or between floats of other
  // kinds sees the same value either way.
  if (inner == nullptr || !is_widening(inner->input(0)->dtype(), x->dtype())) return false;
  return keep_input(builder, node, builder.cast(inner->input(0), node.output()->dtype()));
}

// Reduction over no axes. A sum of squares or a logarithm of a sum is not the identity even then.
bool drop_empty_reduction(Builder& builder, Node& node) {
  std::optional<std::vector<int64_t>> axes = constant_ints(node, 1);
  bool empty = (axes && axes->empty()) || node.input(1) == nullptr;
  return empty && !is_off(node, "noop_with_empty_axes") && keep_input(builder, node, node.input(0));
}

bool drop_unbounded_clip(Builder& builder, Node& node) {
  if (node.input(1) != nullptr || node.input(2) != nullptr) return false;
  return keep_input(builder, node, node.input(0));
}

constexpr ir::Rule kRules[] = {
    {"drop_identity", "Identity", drop_identity},
    {"drop_single_operand", "Sum", drop_single_operand},
    {"drop_single_operand", "Max", drop_single_operand},
    {"drop_single_operand", "Min", drop_single_operand},
    {"drop_single_operand", "Mean", drop_single_operand},
    {"drop_single_operand", "Concat", drop_single_operand},
    {"drop_dropout", "Dropout", drop_dropout},
    {"drop_add_zero", "Add", drop_add_zero},
    {"drop_sub_zero", "Sub", drop_sub_zero},
    {"drop_mul_one", "Mul", drop_mul_one},
    {"drop_div_one", "Div", drop_div_one},
    {"drop_and_true", "And", drop_and_true},
    {"drop_or_false", "Or", drop_or_false},
    {"drop_involution", "Neg", drop_involution},
    {"drop_involution", "Not", drop_involution},
    {"drop_repetition", "Abs", drop_repetition},
    {"drop_repetition", "Relu", drop_repetition},
    {"expand_power", "Pow", expand_power},
    {"divide_by_power_of_two", "Div", divide_by_power_of_two},
    {"choose_known", "Where", choose_known},
    {"simplify_cast", "Cast", simplify_cast},
    {"drop_empty_reduction", "ReduceSum", drop_empty_reduction},
    {"drop_empty_reduction", "ReduceMean", drop_empty_reduction},
    {"drop_empty_reduction", "ReduceMax", drop_empty_reduction},
    {"drop_empty_reduction", "ReduceMin", drop_empty_reduction},
    {"drop_empty_reduction", "ReduceProd", drop_empty_reduction},
    {"drop_unbounded_clip", "Clip", drop_unbounded_clip},
};

}  // namespace

ir::RuleTable algebra_rules() { return kRules; }

}  // namespace dlc::passes
