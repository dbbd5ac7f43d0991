// Element-wise comparison, logic and bit operations.
#include "ir/builder.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

using Args = std::vector<Expr>;

// ---- Inference --------------------------------------------------------------------------------------------

template <TypeClass kSet>
void infer_logic(InferContext& context) {
  require_same_types(context, kSet);
  context.set_output(0, Type(context.dtype(0), broadcast_inputs(context)));
}

// Elements of bool are known as 0 and 1.
using LogicFunction = bool (*)(bool a, bool b);
template <LogicFunction kFunction>
void infer_connective(InferContext& context) {
  infer_logic<TypeClass::kBool>(context);
  propagate_shape_value(context, [](const std::vector<Dim>& args) -> std::optional<Dim> {
    const Dim& b = args.back();
    if (!args[0].is_constant() || !b.is_constant()) return std::nullopt;
    return Dim(kFunction(args[0].value() != 0, b.value() != 0) ? 1 : 0);
  });
}
bool both(bool a, bool b) { return a && b; }
bool either(bool a, bool b) { return a || b; }
bool differ(bool a, bool b) { return a != b; }
bool negated(bool a, bool) { return !a; }

template <TypeClass kSet>
void infer_comparison(InferContext& context) {
  require_same_types(context, kSet);
  context.set_output(0, Type(DType::kBool, broadcast_inputs(context)));
}

// Equality is provable both ways: equal polynomials, or polynomials that differ by a known number.
void infer_equal(InferContext& context) {
  if (context.dtype(0) == DType::kString && context.dtype(1) == DType::kString)
    return context.set_output(0, Type(DType::kBool, broadcast_inputs(context)));
  infer_comparison<TypeClass::kScalar>(context);
  propagate_shape_value(context, [](const std::vector<Dim>& args) -> std::optional<Dim> {
    Dim difference = args[0] - args[1];
    if (difference.is_constant()) return Dim(difference.value() == 0 ? 1 : 0);
    bool positive = known_nonnegative(difference - Dim(1)) || known_nonnegative(-difference - Dim(1));
    return positive ? std::optional<Dim>(0) : std::nullopt;
  });
}

bool expand_equal(Builder& builder, Node& node) {
  if (node.input(0)->dtype() != DType::kString) return false;
  builder.replace(node, 0, builder.op_in("dlc", "SameText", {node.input(0), node.input(1)}));
  return true;
}

enum class Order { kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

template <Order kOrder>
void infer_order(InferContext& context) {
  infer_comparison<TypeClass::kNumeric>(context);
  propagate_shape_value(context, [](const std::vector<Dim>& args) -> std::optional<Dim> {
    bool swap = kOrder == Order::kGreater || kOrder == Order::kLessOrEqual;
    bool strict = kOrder == Order::kLess || kOrder == Order::kGreater;
    // Less and Greater ask for large > small, the others are the negation of small > large.
    Dim difference = swap ? args[0] - args[1] : args[1] - args[0];
    if (known_nonnegative(difference - Dim(1))) return Dim(strict ? 1 : 0);
    if (known_nonnegative(-difference)) return Dim(strict ? 0 : 1);
    return std::nullopt;
  });
}

template <TypeClass kSet>
void infer_predicate(InferContext& context) {
  require_type(context, 0, kSet);
  context.set_output(0, Type(DType::kBool, context.shape(0)));
}

void infer_bit_shift(InferContext& context) {
  infer_logic<TypeClass::kInteger>(context);
  auto direction = context.node().attribute<std::string>("direction");
  if (direction != "LEFT" && direction != "RIGHT") {
    context.fail("attribute 'direction': expected LEFT or RIGHT, found '{}'", direction);
  }
}

// ---- Lowering ---------------------------------------------------------------------------------------------

template <ExprOp kOp>
Expr operation(const Node&, const Args& args) {
  return args.size() == 1 ? unary(kOp, args[0]) : binary(kOp, args[0], args[1]);
}

// A shift by the width or more, or by a negative number, leaves only copies of the sign bit: none to the
// left.
Expr bit_shift(const Node& node, const Args& args) {
  DType type = args[0].type();
  Expr zero = integer(0, type);
  Expr inside = args[1] < integer(bit_width(type), type);
  if (is_signed(type)) inside = inside && args[1] >= zero;
  if (node.attribute<std::string>("direction") == "LEFT") {
    return select(inside, binary(ExprOp::kShl, args[0], select(inside, args[1], zero)), zero);
  }
  Expr last = integer(bit_width(type) - 1, type);
  Expr shifted = binary(ExprOp::kShr, args[0], select(inside, args[1], last));
  return is_signed(type) ? shifted : select(inside, shifted, zero);
}

Expr is_infinite(const Node& node, const Args& args) {
  Expr infinite = unary(ExprOp::kIsInf, args[0]);
  Expr zero = constant(args[0].type(), 0);
  bool positive = node.attribute<int64_t>("detect_positive", 1) != 0;
  bool negative = node.attribute<int64_t>("detect_negative", 1) != 0;
  if (positive && negative) return infinite;
  if (!positive && !negative) return boolean(false);
  return infinite && (positive ? args[0] > zero : args[0] < zero);
}

}  // namespace

void register_elementwise_logic(OpRegistry& registry) {
  struct Row {
    const char* name;
    void (*infer)(InferContext&);
    void (*lower)(LowerContext&);
    bool commutes = false;
    bool (*expand)(Builder&, Node&) = nullptr;
  };
  const Row rows[] = {
      {"Equal", infer_equal, lower_rule<operation<ExprOp::kEq>>, true, expand_equal},
      {"Less", infer_order<Order::kLess>, lower_rule<operation<ExprOp::kLt>>},
      {"LessOrEqual", infer_order<Order::kLessOrEqual>, lower_rule<operation<ExprOp::kLe>>},
      {"Greater", infer_order<Order::kGreater>, lower_rule<operation<ExprOp::kGt>>},
      {"GreaterOrEqual", infer_order<Order::kGreaterOrEqual>, lower_rule<operation<ExprOp::kGe>>},
      {"And", infer_connective<both>, lower_rule<operation<ExprOp::kAnd>>, true},
      {"Or", infer_connective<either>, lower_rule<operation<ExprOp::kOr>>, true},
      {"Xor", infer_connective<differ>, lower_rule<operation<ExprOp::kXor>>, true},
      {"Not", infer_connective<negated>, lower_rule<operation<ExprOp::kNot>>},
      {"BitwiseAnd", infer_logic<TypeClass::kInteger>, lower_rule<operation<ExprOp::kAnd>>, true},
      {"BitwiseOr", infer_logic<TypeClass::kInteger>, lower_rule<operation<ExprOp::kOr>>, true},
      {"BitwiseXor", infer_logic<TypeClass::kInteger>, lower_rule<operation<ExprOp::kXor>>, true},
      {"BitwiseNot", infer_same<TypeClass::kInteger>, lower_rule<operation<ExprOp::kNot>>},
      {"BitShift", infer_bit_shift, lower_rule<bit_shift>},
      {"IsNaN", infer_predicate<TypeClass::kFloat>, lower_rule<operation<ExprOp::kIsNan>>},
      {"IsInf", infer_predicate<TypeClass::kFloat>, lower_rule<is_infinite>},
  };
  for (const Row& row : rows) {
    Trait traits = row.commutes ? Trait::kElementwise | Trait::kCommutative : Trait::kElementwise;
    registry.add(
        {.name = row.name, .infer = row.infer, .expand = row.expand, .lower = row.lower, .traits = traits});
  }
}

}  // namespace dlc::ir
