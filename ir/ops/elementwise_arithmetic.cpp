// Element-wise arithmetic of two or more broadcast arguments of one type.
#include <cmath>

#include "ir/ops/elementwise.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

using Args = std::vector<Expr>;
using DimPair = std::optional<Dim> (*)(const Node& node, const Dim& a, const Dim& b);

// ---- Inference --------------------------------------------------------------------------------------------

void infer_broadcast(InferContext& context, TypeClass set) {
  require_same_types(context, set);
  context.set_output(0, Type(context.dtype(0), broadcast_inputs(context)));
}

template <DimPair kElement>
void infer_arithmetic(InferContext& context) {
  infer_broadcast(context, TypeClass::kNumeric);
  const Node& node = context.node();
  propagate_shape_value(context, [&](const std::vector<Dim>& args) {
    std::optional<Dim> result = args[0];
    for (size_t i = 1; i < args.size() && result; ++i) result = kElement(node, *result, args[i]);
    return result;
  });
}

std::optional<Dim> add_dims(const Node&, const Dim& a, const Dim& b) { return a + b; }
std::optional<Dim> subtract_dims(const Node&, const Dim& a, const Dim& b) { return a - b; }
std::optional<Dim> multiply_dims(const Node&, const Dim& a, const Dim& b) { return a * b; }
std::optional<Dim> max_dims(const Node&, const Dim& a, const Dim& b) { return max(a, b); }
std::optional<Dim> min_dims(const Node&, const Dim& a, const Dim& b) { return min(a, b); }

// Division truncates, floor_div rounds down: they agree where the quotient is known not to be negative.
std::optional<Dim> divide_dims(const Node&, const Dim& a, const Dim& b) {
  if (b == Dim(0)) return std::nullopt;
  if (a.is_constant() && b.is_constant()) return Dim(a.value() / b.value());
  if (known_nonnegative(a) && known_nonnegative(b)) return floor_div(a, b);
  return std::nullopt;
}

std::optional<Dim> modulo_dims(const Node& node, const Dim& a, const Dim& b) {
  if (b == Dim(0)) return std::nullopt;
  bool of_divisor_sign = node.attribute<int64_t>("fmod", 0) == 0;
  if (of_divisor_sign || (known_nonnegative(a) && known_nonnegative(b))) return mod(a, b);
  return std::nullopt;
}

// ---- Lowering ---------------------------------------------------------------------------------------------

template <ExprOp kOp>
Expr chain(const Node&, const Args& args) {
  Expr result = args[0];
  for (size_t i = 1; i < args.size(); ++i) result = binary(kOp, result, args[i]);
  return result;
}

Expr divide(const Node&, const Args& args) {
  return is_float(args[0].type()) ? args[0] / args[1] : safe_divide(args[0], args[1]);
}

Expr mean(const Node& node, const Args& args) {
  Expr sum = chain<ExprOp::kAdd>(node, args);
  return sum / constant(sum.type(), static_cast<double>(args.size()));
}

// fmod=1: the remainder of truncating division, of the dividend's sign. fmod=0: of the divisor's sign.
Expr modulo(const Node& node, const Args& args) {
  const Expr& a = args[0];
  const Expr& b = args[1];
  bool of_dividend_sign = node.attribute<int64_t>("fmod", 0) != 0;
  if (!is_float(a.type())) {
    Expr divisor = safe_divisor(b);
    return binary(of_dividend_sign ? ExprOp::kTruncMod : ExprOp::kMod, a, divisor);
  }
  Expr remainder = binary(ExprOp::kFmod, a, b);
  if (of_dividend_sign) return remainder;
  Expr zero = constant(a.type(), 0);
  Expr shifted = select(not_equal(remainder < zero, b < zero), remainder + b, remainder);
  return select(equal(remainder, zero), binary(ExprOp::kCopysign, zero, b), shifted);
}

// ---- Pow --------------------------------------------------------------------------------------------------

void infer_pow(InferContext& context) {
  require_type(context, 0, TypeClass::kNumeric);
  require_type(context, 1, TypeClass::kNumeric);
  context.set_output(0, Type(context.dtype(0), broadcast_inputs(context)));
}

// base^exponent for a small constant exponent, by multiplications; empty for others.
Expr constant_power(const Expr& base, const Expr& exponent) {
  bool known = exponent->op == ExprOp::kFloat || exponent->op == ExprOp::kInt;
  if (!known) return {};
  double value = exponent->op == ExprOp::kFloat ? exponent->real : static_cast<double>(exponent->integer);
  if (value == 1) return base;
  if (value == 2) return base * base;
  if (value == 3) return base * base * base;
  if (value == -1 && is_float(base.type())) return constant(base.type(), 1) / base;
  if (value != 0.5 || !is_float(base.type())) return {};
  // pow(-inf, 0.5) is +inf and pow(-0, 0.5) is +0, unlike the square root.
  Expr infinity = constant(base.type(), INFINITY);
  return select(equal(base, -infinity), infinity, unary(ExprOp::kSqrt, base + constant(base.type(), 0)));
}

// Exact integer powers by repeated squaring; exponents of 64 and more matter only for the bases -1, 0 and 1,
// for which their parity decides. Negative exponents give the truncated quotient 1 / base^-exponent.
void lower_integer_pow(LowerContext& context) {
  const Shape& shape = context.output_shape();
  DType type = context.output_type().dtype;
  std::vector<VarId> vars = loop_vars(context, shape);
  Index index = index_of(vars);
  Expr base = context.at_broadcast(context.input(0), index, shape);
  Expr exponent = cast(context.at_broadcast(context.input(1), index, shape), DType::kInt64);
  Expr one = integer(1, type);

  Block body;
  auto define = [&](const Expr& value) {
    VarId id = context.fresh_var();
    body.push_back(let(id, value));
    return var(id, value.type());
  };
  Expr power = define(base);
  Expr wanted = define(exponent);
  Expr magnitude = unary(ExprOp::kAbs, wanted);
  Expr bits = define(
      select(magnitude < integer(64), magnitude, integer(62) + binary(ExprOp::kAnd, magnitude, integer(1))));
  Expr result = define(one);
  for (int64_t bit = 0; bit < 6; ++bit) {
    Expr is_set = not_equal(binary(ExprOp::kAnd, bits, integer(int64_t{1} << bit)), integer(0));
    result = define(select(is_set, result * power, result));
    if (bit < 5) power = define(power * power);
  }
  Expr negative = select(equal(result, one), one, integer(0, type));
  if (is_signed(type)) {
    Expr minus_one = integer(-1, type);
    negative = select(equal(base, minus_one), result, select(equal(base, one), one, integer(0, type)));
  }
  body.push_back(store(context.output(), index, select(wanted < integer(0), negative, result)));
  context.loop_nest(nest(vars, shape, 1, std::move(body)), "Pow");
}

Expr power(const Node&, const Args& args) {
  Expr base = args[0];
  if (Expr result = constant_power(base, args[1])) return result;
  // An integer base with a floating-point exponent is computed in double.
  DType type = is_float(base.type()) ? base.type() : DType::kDouble;
  return binary(ExprOp::kPow, cast(base, type), cast(args[1], type));
}

void lower_pow(LowerContext& context) {
  bool integers = is_integer(context.input_type(0).dtype) && is_integer(context.input_type(1).dtype);
  Expr exponent = scalar_constant(context.node().input(1));
  bool unrolled = static_cast<bool>(exponent) && static_cast<bool>(constant_power(integer(2), exponent));
  if (integers && !unrolled) {
    check_broadcast(context, context.input_shape(0), context.output_shape(), "base");
    check_broadcast(context, context.input_shape(1), context.output_shape(), "exponent");
    lower_integer_pow(context);
  } else {
    lower_elementwise(context, [&](const Args& args) { return power(context.node(), args); });
  }
}

void infer_mean(InferContext& context) { infer_broadcast(context, TypeClass::kFloat); }

}  // namespace

void register_elementwise_arithmetic(OpRegistry& registry) {
  struct Row {
    const char* name;
    void (*infer)(InferContext&);
    void (*lower)(LowerContext&);
    Trait traits;
  };
  constexpr Trait kPlain = Trait::kElementwise;
  constexpr Trait kCommutes = Trait::kElementwise | Trait::kCommutative;
  const Row rows[] = {
      {"Add", infer_arithmetic<add_dims>, lower_rule<chain<ExprOp::kAdd>>, kCommutes},
      {"Sub", infer_arithmetic<subtract_dims>, lower_rule<chain<ExprOp::kSub>>, kPlain},
      {"Mul", infer_arithmetic<multiply_dims>, lower_rule<chain<ExprOp::kMul>>, kCommutes},
      {"Div", infer_arithmetic<divide_dims>, lower_rule<divide>, kPlain},
      {"Mod", infer_arithmetic<modulo_dims>, lower_rule<modulo>, kPlain},
      {"Max", infer_arithmetic<max_dims>, lower_rule<chain<ExprOp::kMax>>, kCommutes},
      {"Min", infer_arithmetic<min_dims>, lower_rule<chain<ExprOp::kMin>>, kCommutes},
      {"Sum", infer_arithmetic<add_dims>, lower_rule<chain<ExprOp::kAdd>>, kCommutes},
      {"Mean", infer_mean, lower_rule<mean>, kCommutes},
      {"Pow", infer_pow, lower_pow, kPlain},
  };
  for (const Row& row : rows) {
    registry.add({.name = row.name, .infer = row.infer, .lower = row.lower, .traits = row.traits});
  }
}

}  // namespace dlc::ir
