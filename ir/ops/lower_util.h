// Helpers shared by the lower functions of operator records.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "ir/kernel/lower.h"
#include "ir/op.h"

namespace dlc::ir {

// ---- Types and constants ----------------------------------------------------------------------------------

// The type in which values of `type` are computed: float for the floats below 32 bits, else the type itself.
DType compute_type(DType type);
// The type in which sums of products of `type` are held: int32 for integers of less.
DType accumulator_type(DType type);
// `value` in its compute_type.
Expr widen(const Expr& value);
// `value` in another type; where the target is a float of 8 bits or less, what is too large becomes its
// largest finite value.
Expr saturating_cast(const Expr& value, DType type);
// The only element of a constant input, as an expression of its type; empty where it is no such thing.
Expr scalar_constant(const Value* value);
// The only element of an input of any rank, empty where the input is absent. Fails the run where there are
// none or more.
Expr single_element(LowerContext& context, size_t input);
// The extent as a number of the (floating-point) type.
inline Expr extent_as(const Dim& extent, DType type) { return cast(dim(extent), type); }

// The node's facts for the helpers that inference and lowering share; only for reading.
InferContext facts(const LowerContext& context);

// ---- Loops ------------------------------------------------------------------------------------------------

// One variable an axis, kNone where the extent is 1: such an axis needs no loop.
std::vector<VarId> loop_vars(LowerContext& context, const Shape& shape);
Index index_of(const std::vector<VarId>& vars);  // 0 for kNone
// for var in [begin, end)
Stmt for_range(VarId var, Expr begin, Expr end, Block body);
// Nested serial loops over [0, shape[i]) for the given variables around `body`.
Block serial_nest(const std::vector<VarId>& vars, const Shape& shape, Block body);
void append(Block& block, Block more);

// The index with `coordinate` on `axis` and the variables (one an axis of the whole index) elsewhere.
Index along(const std::vector<VarId>& vars, size_t axis, const Expr& coordinate);
// The extents and variables of all axes but one.
struct OtherAxes {
  Shape shape;
  std::vector<VarId> vars;
};
OtherAxes without(const Shape& shape, const std::vector<VarId>& vars, size_t axis);

// ---- Broadcasting -----------------------------------------------------------------------------------------

// Fails the run where two extents that inference could not compare differ.
void check_equal(LowerContext& context, const Dim& a, const Dim& b, std::string_view what);
// Fails the run where an extent is neither 1 nor the target.
void check_one_or(LowerContext& context, const Dim& extent, const Dim& target, std::string_view what);
// Fails the run where `from` does not broadcast to `to` and inference could not decide.
void check_broadcast(LowerContext& context, const Shape& from, const Shape& to, std::string_view what);
// The coordinate along an axis of `extent` elements that broadcasts to one of `target` elements.
Expr broadcast_coordinate(const Expr& coordinate, const Dim& extent, const Dim& target);
// The index into `from` at an index of `target`, right-aligned.
Index broadcast_index(const Index& index, const Shape& target, const Shape& from);

// ---- Element-wise nodes -----------------------------------------------------------------------------------

// One argument an input, empty where the input is absent.
using ElementFunction = std::function<Expr(const std::vector<Expr>& args)>;
// output[i] = value(inputs broadcast at i), where the arguments are in their compute_type and the result is
// cast to the output's element type.
void lower_elementwise(LowerContext& context, const ElementFunction& value);
// The same with arguments in the inputs' own types.
void lower_elementwise_exact(LowerContext& context, const ElementFunction& value);

// An element-wise rule as a function of the node (for its attributes) and the arguments, made a lower
// function.
using ElementRule = Expr (*)(const Node& node, const std::vector<Expr>& args);
template <ElementRule kRule>
void lower_rule(LowerContext& context) {
  lower_elementwise(context, [&](const std::vector<Expr>& args) { return kRule(context.node(), args); });
}

// ---- Arithmetic -------------------------------------------------------------------------------------------

// Truncating integer division, defined (0) for a divisor of zero and wrapping for the one overflow.
Expr safe_divide(const Expr& a, const Expr& b);
// A divisor that neither is zero nor overflows: 1 in place of 0 and -1.
Expr safe_divisor(const Expr& b);
// log(1 + x), accurate for small x >= 0.
Expr log1p(const Expr& x);
Expr sigmoid(const Expr& x);
// The least value of a type: -infinity for floats.
Expr lowest(DType type);

}  // namespace dlc::ir
