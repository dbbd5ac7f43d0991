#include "ir/ops/contract.h"

namespace dlc::ir {

namespace {

Expr nonzero(const Expr& value) {
  bool zero = value && value->op == ExprOp::kInt && value->integer == 0;
  return zero ? Expr() : value;
}

}  // namespace

ContractionBuilder::ContractionBuilder(LowerContext& context, DType element) : context_(context) {
  contraction_.accumulator = context.fresh_var();
  contraction_.accumulator_type = accumulator_type(element);
}

Expr ContractionBuilder::axis(const Dim& extent, AxisRole role) {
  VarId id = context_.fresh_var();
  contraction_.axes.push_back({.var = id, .extent = extent, .role = role});
  return var(id);
}

void ContractionBuilder::a(BufferId buffer, Index index, bool padded) {
  contraction_.a = {.buffer = buffer, .index = std::move(index), .padded = padded};
}

void ContractionBuilder::b(BufferId buffer, Index index) {
  contraction_.b = {.buffer = buffer, .index = std::move(index)};
}

void ContractionBuilder::a_zero_point(const Expr& value) { contraction_.a.zero_point = nonzero(value); }
void ContractionBuilder::b_zero_point(const Expr& value) { contraction_.b.zero_point = nonzero(value); }

void ContractionBuilder::finish(BufferId out, Index index, const Expr& epilogue, std::string_view name) {
  contraction_.out = out;
  contraction_.out_index = std::move(index);
  contraction_.epilogue = cast(epilogue, context_.program().buffer(out).dtype);
  context_.contraction(std::move(contraction_), name);
}

}  // namespace dlc::ir
