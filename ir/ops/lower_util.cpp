#include "ir/ops/lower_util.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "ir/ops/infer_util.h"
#include "runtime/small_floats.h"

namespace dlc::ir {
namespace {

Expr argument(LowerContext& context, size_t i, const Index& index, const Shape& shape) {
  if (!context.has_input(i)) return {};
  if (Expr constant = scalar_constant(context.node().input(i))) return constant;
  return context.at_broadcast(context.input(i), index, shape);
}

void check_inputs_broadcast(LowerContext& context) {
  for (size_t i = 0; i < context.node().inputs().size(); ++i) {
    if (!context.has_input(i)) continue;
    check_broadcast(context, context.input_shape(i), context.output_shape(), fmt::format("input {}", i));
  }
}

bool is_integer_constant(const Expr& e, int64_t value) {
  return e->op == ExprOp::kInt && e->integer == value;
}

}  // namespace

// ---- Types and constants ----------------------------------------------------------------------------------

DType compute_type(DType type) { return is_float(type) && bit_width(type) < 32 ? DType::kFloat : type; }

DType accumulator_type(DType type) {
  return is_integer(type) && bit_width(type) < 32 ? DType::kInt32 : compute_type(type);
}

Expr widen(const Expr& value) {
  DType type = compute_type(value.type());
  return type == value.type() ? value : cast(value, type);
}

Expr saturating_cast(const Expr& value, DType type) {
  const bool clamps = is_float(type) && bit_width(type) == 8 && type != DType::kFloat8E8M0;
  if (!clamps) return cast(value, type);
  if (!is_float(value.type())) return saturating_cast(cast(value, DType::kFloat), type);
  const SmallFloatFormat& format = *small_float_format(type);
  double limit = decode_small_float(format, static_cast<uint16_t>(format.max_finite));
  Expr high = real(limit, value.type()), low = real(-limit, value.type());
  return cast(min(max(value, low), high), type);
}

Expr scalar_constant(const Value* value) {
  if (value == nullptr || !value->is_constant() || value->constant().size() != 1) return {};
  DType type = value->dtype();
  if (belongs_to(type, TypeClass::kInteger)) return integer(value->constant().get_int(0), type);
  if (belongs_to(type, TypeClass::kFloat)) return real(value->constant().get_double(0), type);
  if (type == DType::kBool) return boolean(value->constant().get_int(0) != 0);
  return {};
}

Expr single_element(LowerContext& context, size_t input) {
  if (!context.has_input(input)) return {};
  if (Expr constant = scalar_constant(context.node().input(input))) return constant;
  const Shape& shape = context.input_shape(input);
  for (const Dim& extent : shape)
    check_equal(context, extent, 1, fmt::format("one element of input {}", input));
  return context.at_input(input, Index(shape.size(), integer(0)));
}

InferContext facts(const LowerContext& context) {
  // An InferContext that is only read leaves the node as it is.
  return InferContext(const_cast<Node&>(context.node()));
}

// ---- Loops ------------------------------------------------------------------------------------------------

std::vector<VarId> loop_vars(LowerContext& context, const Shape& shape) {
  std::vector<VarId> result;
  for (const Dim& extent : shape) result.push_back(extent == Dim(1) ? VarId::kNone : context.fresh_var());
  return result;
}

Index index_of(const std::vector<VarId>& vars) {
  Index result;
  for (VarId id : vars) result.push_back(id == VarId::kNone ? integer(0) : var(id));
  return result;
}

Stmt for_range(VarId var, Expr begin, Expr end, Block body) {
  return Stmt{For{.var = var, .begin = std::move(begin), .end = std::move(end), .body = std::move(body)}};
}

Block serial_nest(const std::vector<VarId>& vars, const Shape& shape, Block body) {
  return nest(vars, shape, 0, std::move(body));
}

void append(Block& block, Block more) {
  for (Stmt& statement : more) block.push_back(std::move(statement));
}

Index along(const std::vector<VarId>& vars, size_t axis, const Expr& coordinate) {
  Index result = index_of(vars);
  result[axis] = coordinate;
  return result;
}

OtherAxes without(const Shape& shape, const std::vector<VarId>& vars, size_t axis) {
  OtherAxes result;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i == axis) continue;
    result.shape.push_back(shape[i]);
    result.vars.push_back(vars[i]);
  }
  return result;
}

// ---- Broadcasting -----------------------------------------------------------------------------------------

void check_equal(LowerContext& context, const Dim& a, const Dim& b, std::string_view what) {
  if (a == b) return;
  std::string message = fmt::format("{}: {}: extents {} and {} differ", context.node().describe(), what,
                                    a.to_string(), b.to_string());
  context.step(Step{CheckStep{.lhs = a, .rhs = b, .message = std::move(message)}});
}

void check_one_or(LowerContext& context, const Dim& extent, const Dim& target, std::string_view what) {
  if (extent == Dim(1) || extent == target) return;
  std::string message = fmt::format("{}: {}: extent {} does not broadcast to {}", context.node().describe(),
                                    what, extent.to_string(), target.to_string());
  Dim product = (extent - Dim(1)) * (extent - target);
  context.step(Step{CheckStep{.lhs = product, .rhs = 0, .message = std::move(message)}});
}

void check_broadcast(LowerContext& context, const Shape& from, const Shape& to, std::string_view what) {
  size_t shift = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i) {
    const Dim& target = to[shift + i];
    if (!always_broadcasts(from[i], target)) check_one_or(context, from[i], target, what);
  }
}

Expr broadcast_coordinate(const Expr& coordinate, const Dim& extent, const Dim& target) {
  if (extent == target || is_capped(extent, target)) return coordinate;
  if (extent == Dim(1)) return integer(0);
  if (extent.is_constant()) return coordinate;
  // 0 where the extent is 1, else 1; an extent of 0 is never indexed.
  return coordinate * dim(min(extent, Dim(2)) - Dim(1));
}

Index broadcast_index(const Index& index, const Shape& target, const Shape& from) {
  Index result;
  size_t shift = target.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i) {
    result.push_back(broadcast_coordinate(index[shift + i], from[i], target[shift + i]));
  }
  return result;
}

// ---- Element-wise nodes -----------------------------------------------------------------------------------

void lower_elementwise_exact(LowerContext& context, const ElementFunction& value) {
  check_inputs_broadcast(context);
  const Shape& shape = context.output_shape();
  DType type = context.output_type().dtype;
  context.map_output([&](const Index& index) {
    std::vector<Expr> args;
    for (size_t i = 0; i < context.node().inputs().size(); ++i) {
      args.push_back(argument(context, i, index, shape));
    }
    Expr result = value(args);
    return result.type() == type ? result : cast(result, type);
  });
}

void lower_elementwise(LowerContext& context, const ElementFunction& value) {
  lower_elementwise_exact(context, [&](std::vector<Expr> args) {
    for (Expr& arg : args) {
      if (arg) arg = widen(arg);
    }
    return value(args);
  });
}

// ---- Arithmetic -------------------------------------------------------------------------------------------

Expr safe_divisor(const Expr& b) {
  if (b->op == ExprOp::kInt && b->integer != 0 && b->integer != -1) return b;
  Expr one = integer(1, b.type());
  Expr bad = equal(b, integer(0, b.type()));
  if (is_signed(b.type())) bad = bad || equal(b, integer(-1, b.type()));
  return select(bad, one, b);
}

Expr safe_divide(const Expr& a, const Expr& b) {
  if (b->op == ExprOp::kInt && b->integer != 0 && b->integer != -1) return a / b;
  if (is_integer_constant(b, -1) && is_signed(b.type())) return -a;
  Expr zero = integer(0, b.type());
  Expr result = select(equal(b, zero), zero, a / safe_divisor(b));
  if (is_signed(b.type())) result = select(equal(b, integer(-1, b.type())), -a, result);
  return result;
}

Expr log1p(const Expr& x) {
  // The rounding error of u = 1 + x cancels in x / (u - 1).
  Expr one = constant(x.type(), 1);
  Expr u = one + x;
  return select(equal(u, one), x, unary(ExprOp::kLog, u) * (x / (u - one)));
}

Expr sigmoid(const Expr& x) {
  Expr one = constant(x.type(), 1);
  return one / (one + unary(ExprOp::kExp, -x));
}

Expr lowest(DType type) {
  if (is_float(type)) return real(-std::numeric_limits<double>::infinity(), type);
  if (!is_signed(type)) return integer(0, type);
  return integer(std::numeric_limits<int64_t>::min() >> (64 - bit_width(type)), type);
}

}  // namespace dlc::ir
