#include "ir/kernel/expand_contraction.h"

#include <algorithm>

#include "ir/kernel/lower.h"

namespace dlc::ir {

namespace {

// True if the index is a variable that runs over just the extent of the axis that it indexes.
bool stays_inside(const Expr& index, const Dim& extent, const Contraction& contraction) {
  if (index->op == ExprOp::kInt && index->integer == 0) return extent.is_constant() && extent.value() > 0;
  if (index->op != ExprOp::kVar) return false;
  return std::any_of(contraction.axes.begin(), contraction.axes.end(), [&](const ContractionAxis& axis) {
    return axis.var == index->var && axis.extent == extent;
  });
}

Expr inside(const Operand& operand, const Contraction& contraction, const Shape& shape) {
  Expr condition = boolean(true);
  for (size_t i = 0; i < shape.size(); ++i) {
    const Expr& index = operand.index[i];
    if (stays_inside(index, shape[i], contraction)) continue;
    condition = condition && index >= integer(0) && index < dim(shape[i]);
  }
  return condition;
}

}  // namespace

Expr unsigned_byte(const Expr& byte) {
  const Expr wide = cast(byte, DType::kInt32);
  return byte.type() == DType::kInt8 ? wide + integer(128, DType::kInt32) : wide;
}

bool is_summed(AxisRole role) { return role == AxisRole::kK || role == AxisRole::kWindow; }

Expr operand_value(const Operand& operand, const Contraction& contraction, const Program& program) {
  const Buffer& buffer = program.buffer(operand.buffer);
  const DType type = contraction.product_type();
  Expr value = cast(load(operand.buffer, buffer.dtype, operand.index), type);
  if (operand.zero_point) value = value - cast(operand.zero_point, type);
  if (!operand.padded) return value;
  return select(inside(operand, contraction, buffer.shape), value, constant(type, 0));
}

Expr epilogue_value(const Contraction& contraction, const Program& program) {
  if (contraction.epilogue) return contraction.epilogue;
  return cast(var(contraction.accumulator, contraction.accumulator_type),
              program.buffer(contraction.out).dtype);
}

// A of a contraction of bytes in groups.
Expr grouped_value(const Operand& operand, const Contraction& contraction, const Program& program) {
  const Buffer& buffer = program.buffer(operand.buffer);
  const Expr value = unsigned_byte(load(operand.buffer, buffer.dtype, operand.index));
  if (!operand.padded) return value;
  const Expr padding = unsigned_byte(operand.zero_point ? operand.zero_point : integer(0, buffer.dtype));
  return select(inside(operand, contraction, buffer.shape), value, padding);
}

LoopNest expand_contraction(const Contraction& contraction, const Program& program) {
  std::vector<VarId> outer, summed;
  Shape outer_shape, summed_shape;
  Dim parts = 1;
  for (const ContractionAxis& axis : contraction.axes) {
    if (axis.var == contraction.parts.axis) {
      parts = axis.extent;
      continue;
    }
    (is_summed(axis.role) ? summed : outer).push_back(axis.var);
    (is_summed(axis.role) ? summed_shape : outer_shape).push_back(axis.extent);
  }
  const ContractionSchedule& schedule = contraction.schedule;
  const bool shifts =
      schedule.group > 1 && !contraction.has_parts() && is_integer(contraction.accumulator_type);
  const Expr a = shifts ? grouped_value(contraction.a, contraction, program)
                        : operand_value(contraction.a, contraction, program);
  const Expr product = a * operand_value(contraction.b, contraction, program);
  const Expr zero = constant(contraction.product_type(), 0);
  const VarId sum = contraction.has_parts() ? contraction.parts.sum : contraction.accumulator;
  Block body = {let(sum, zero)};
  Block terms = {reduce_into(sum, Combiner::kSum, product)};
  if (schedule.row_sum != VarId::kNone) {
    body.push_back(let(schedule.row_sum, zero));
    terms.push_back(reduce_into(schedule.row_sum, Combiner::kSum, a));
  }
  for (Stmt& stmt : nest(summed, summed_shape, 0, std::move(terms))) body.push_back(std::move(stmt));
  if (contraction.has_parts()) {
    body.push_back(reduce_into(contraction.accumulator, Combiner::kSum, contraction.parts.term));
    body = {for_loop(contraction.parts.axis, dim(parts), LoopKind::kSerial, std::move(body))};
    body.insert(body.begin(), let(contraction.accumulator, constant(contraction.accumulator_type, 0)));
  }
  body.push_back(store(contraction.out, contraction.out_index, epilogue_value(contraction, program)));
  return {nest(outer, outer_shape, outer.size(), std::move(body))};
}

}  // namespace dlc::ir
