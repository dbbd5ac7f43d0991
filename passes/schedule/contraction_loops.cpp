#include "passes/schedule/contraction_loops.h"

#include "ir/kernel/lower.h"

namespace dlc::passes {

using ir::AxisRole;
using ir::Block;
using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;
using ir::ExprOp;

namespace {

bool is_summed(const ContractionAxis& axis) {
  return axis.role == AxisRole::kK || axis.role == AxisRole::kWindow;
}

struct Range {
  Expr begin;
  Expr end;
};

// The values of a summed axis for which every index of A that it moves is inside of A; indices that two
// summed axes move, or that are not affine with a constant step, are left to a guard.
std::optional<Range> clamped(const ir::Program& program, const ir::Contraction& c,
                             const ContractionAxis& axis) {
  const ir::Buffer& a = program.buffer(c.a.buffer);
  Range range{ir::integer(0), ir::dim(axis.extent)};
  for (size_t i = 0; i < c.a.index.size(); ++i) {
    if (!ir::uses_var(c.a.index[i], axis.var)) continue;
    for (const ContractionAxis& other : c.axes) {
      if (is_summed(other) && other.var != axis.var && ir::uses_var(c.a.index[i], other.var))
        return std::nullopt;
    }
    std::optional<ir::Affine> affine = ir::affine_in(c.a.index[i], axis.var);
    if (!affine || affine->coefficient->op != ExprOp::kInt || affine->coefficient->integer <= 0)
      return std::nullopt;
    const Expr step = affine->coefficient;
    // 0 <= step * w + rest < extent
    auto floor_div = [&](const Expr& e) {
      return step->integer == 1 ? e : ir::binary(ExprOp::kFloorDiv, e, step);
    };
    const Expr first = ir::integer(0) - floor_div(affine->rest);  // ceil(-rest / step)
    const Expr last = floor_div(ir::dim(a.shape[i]) - ir::integer(1) - affine->rest);
    range.begin = ir::max(range.begin, first);
    range.end = ir::min(range.end, last + ir::integer(1));
  }
  return range;
}

Expr inside(const ir::Program& program, const ir::Operand& a) {
  const ir::Buffer& buffer = program.buffer(a.buffer);
  Expr condition = ir::boolean(true);
  for (size_t i = 0; i < a.index.size(); ++i) {
    condition = condition && a.index[i] >= ir::integer(0) && a.index[i] < ir::dim(buffer.shape[i]);
  }
  return condition;
}

Expr element(const ir::Program& program, const ir::Operand& operand, DType type) {
  Expr value = ir::cast(ir::load(operand.buffer, program.buffer(operand.buffer).dtype, operand.index), type);
  if (operand.zero_point) value = value - ir::cast(operand.zero_point, type);
  return value;
}

}  // namespace

ir::LoopNest contraction_to_loops(const ir::Program& program, const ir::Contraction& c) {
  const DType type = c.accumulator_type;
  Expr a = element(program, c.a, type);
  bool guarded = false;
  std::vector<std::pair<ContractionAxis, Range>> summed;
  for (const ContractionAxis& axis : c.axes) {
    if (!is_summed(axis)) continue;
    Range range{ir::integer(0), ir::dim(axis.extent)};
    if (c.a.padded) {
      std::optional<Range> window = clamped(program, c, axis);
      if (window) range = *window;
      guarded |= !window;
    }
    summed.emplace_back(axis, range);
  }
  if (guarded) a = ir::select(inside(program, c.a), a, ir::constant(type, 0));

  Block body = {ir::reduce_into(c.accumulator, ir::Combiner::kSum, a * element(program, c.b, type))};
  for (size_t i = summed.size(); i-- > 0;) {
    ir::For loop{summed[i].first.var, summed[i].second.begin, summed[i].second.end, ir::LoopKind::kSerial,
                 std::move(body)};
    body = {ir::Stmt{std::move(loop)}};
  }
  body.insert(body.begin(), ir::let(c.accumulator, ir::constant(type, 0)));
  body.push_back(ir::store(c.out, c.out_index, c.epilogue));
  for (size_t i = c.axes.size(); i-- > 0;) {
    if (is_summed(c.axes[i])) continue;
    body = {ir::for_loop(c.axes[i].var, ir::dim(c.axes[i].extent), ir::LoopKind::kParallel, std::move(body))};
  }
  return {std::move(body)};
}

}  // namespace dlc::passes
