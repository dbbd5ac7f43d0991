// Element-wise functions of one argument: y[i] = f(x[i]), of x's type.
#include "ir/ops/elementwise.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

using Args = std::vector<Expr>;

template <ExprOp kOp>
Expr function(const Node&, const Args& args) {
  return unary(kOp, args[0]);
}

Expr sign(const Node&, const Args& args) {
  const Expr& x = args[0];
  Expr zero = constant(x.type(), 0);
  Expr one = constant(x.type(), 1);
  Expr positive = select(x > zero, one, zero);
  if (!is_signed(x.type())) return positive;
  Expr result = select(x < zero, constant(x.type(), -1), positive);
  // NaN is neither, and stays.
  return is_float(x.type()) ? select(not_equal(x, x), x, result) : result;
}

Expr absolute(const Node&, const Args& args) {
  return is_signed(args[0].type()) ? unary(ExprOp::kAbs, args[0]) : args[0];
}

Expr reciprocal(const Node&, const Args& args) { return constant(args[0].type(), 1) / args[0]; }

template <std::optional<Dim> (*kElement)(const Dim&)>
void infer_integer_function(InferContext& context) {
  infer_same<TypeClass::kNumeric>(context);
  propagate_shape_value(context, [](const std::vector<Dim>& args) { return kElement(args[0]); });
}

std::optional<Dim> negated(const Dim& x) { return -x; }

std::optional<Dim> absolute_dim(const Dim& x) {
  if (known_nonnegative(x)) return x;
  if (x.is_constant()) return -x;
  return std::nullopt;
}

std::optional<Dim> sign_dim(const Dim& x) {
  if (!x.is_constant()) return std::nullopt;
  return Dim(x.value() > 0 ? 1 : x.value() < 0 ? -1 : 0);
}

struct MathFunction {
  const char* name;
  void (*lower)(LowerContext&);
};

constexpr MathFunction kFloatFunctions[] = {
    {"Ceil", lower_rule<function<ExprOp::kCeil>>},
    {"Floor", lower_rule<function<ExprOp::kFloor>>},
    {"Round", lower_rule<function<ExprOp::kRoundEven>>},
    {"Sqrt", lower_rule<function<ExprOp::kSqrt>>},
    {"Reciprocal", lower_rule<reciprocal>},
    {"Exp", lower_rule<function<ExprOp::kExp>>},
    {"Log", lower_rule<function<ExprOp::kLog>>},
    {"Sin", lower_rule<function<ExprOp::kSin>>},
    {"Cos", lower_rule<function<ExprOp::kCos>>},
    {"Tan", lower_rule<function<ExprOp::kTan>>},
    {"Asin", lower_rule<function<ExprOp::kAsin>>},
    {"Acos", lower_rule<function<ExprOp::kAcos>>},
    {"Atan", lower_rule<function<ExprOp::kAtan>>},
    {"Sinh", lower_rule<function<ExprOp::kSinh>>},
    {"Cosh", lower_rule<function<ExprOp::kCosh>>},
    {"Asinh", lower_rule<function<ExprOp::kAsinh>>},
    {"Acosh", lower_rule<function<ExprOp::kAcosh>>},
    {"Atanh", lower_rule<function<ExprOp::kAtanh>>},
};

// Erf of integers is legal; it is computed in double and truncated.
Expr error_function(const Node&, const Args& args) {
  if (is_float(args[0].type())) return unary(ExprOp::kErf, args[0]);
  return cast(unary(ExprOp::kErf, cast(args[0], DType::kDouble)), args[0].type());
}

}  // namespace

void register_elementwise_unary(OpRegistry& registry) {
  for (const MathFunction& function : kFloatFunctions) {
    registry.add({.name = function.name,
                  .infer = infer_same<TypeClass::kFloat>,
                  .lower = function.lower,
                  .traits = Trait::kElementwise});
  }
  registry.add({.name = "Erf",
                .infer = infer_same<TypeClass::kNumeric>,
                .lower = lower_rule<error_function>,
                .traits = Trait::kElementwise});
  registry.add({.name = "Abs",
                .infer = infer_integer_function<absolute_dim>,
                .lower = lower_rule<absolute>,
                .traits = Trait::kElementwise});
  registry.add({.name = "Neg",
                .infer = infer_integer_function<negated>,
                .lower = lower_rule<function<ExprOp::kNeg>>,
                .traits = Trait::kElementwise});
  registry.add({.name = "Sign",
                .infer = infer_integer_function<sign_dim>,
                .lower = lower_rule<sign>,
                .traits = Trait::kElementwise});
}

}  // namespace dlc::ir
