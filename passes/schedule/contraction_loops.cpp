#include "passes/schedule/contraction_loops.h"

#include <algorithm>

#include "ir/kernel/expand_contraction.h"
#include "ir/kernel/lower.h"
#include "passes/schedule/access.h"
#include "passes/schedule/tap_range.h"

namespace dlc::passes {

using ir::Block;
using ir::ContractionAxis;
using ir::Expr;

namespace {

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

void store_b_along(ir::Program& program, ir::Contraction& c, ir::VarId run) {
  const ir::Buffer& source = program.buffer(c.b.buffer);
  const std::vector<size_t> uses = uses_of(c.b.index, run);
  if (source.kind != ir::BufferKind::kConstant || source.view || !source.order.empty()) return;
  if (uses.size() != 1 || uses[0] + 1 == c.b.index.size()) return;
  ir::Buffer copy = source;
  copy.name += ".runs";
  for (size_t i = 0; i < c.b.index.size(); ++i) {
    if (i != uses[0]) copy.order.push_back(static_cast<int>(i));
  }
  copy.order.push_back(static_cast<int>(uses[0]));
  c.b.buffer = program.add_buffer(std::move(copy));
}

}  // namespace

void sum_along_runs(ir::Program& program, ir::Contraction& c) {
  const auto run = std::find_if(c.axes.begin(), c.axes.end(), [&](const ContractionAxis& axis) {
    return is_summed(axis) && axis.extent != ir::Dim(1) &&
           is_contiguous(program, c.a.buffer, c.a.index, axis.var);
  });
  if (run == c.axes.end()) return;
  store_b_along(program, c, run->var);
  std::rotate(run, run + 1, c.axes.end());
}

ir::LoopNest contraction_to_loops(const ir::Program& program, const ir::Contraction& c) {
  if (c.has_parts()) return ir::expand_contraction(c, program);
  const DType type = c.accumulator_type;
  Expr a = element(program, c.a, type);
  bool guarded = false;
  std::vector<std::pair<ContractionAxis, TapRange>> summed;
  for (const ContractionAxis& axis : c.axes) {
    if (!is_summed(axis)) continue;
    TapRange range{ir::integer(0), ir::dim(axis.extent)};
    if (c.a.padded) {
      std::optional<TapRange> window = tap_range(program, c, axis);
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
