#include "passes/schedule/constant_walk.h"

namespace dlc::passes {

using ir::ContractionAxis;
using ir::Expr;
using ir::ExprOp;

std::optional<ConstantWalk> constant_walk(const ir::Program& program, const ir::Contraction& c) {
  const ir::Buffer& root = program.buffer(ir::root_of(program, c.b.buffer));
  if (root.kind != ir::BufferKind::kConstant || !root.order.empty()) return std::nullopt;
  std::optional<ir::Strides> strides = ir::strides_of(program, c.b.buffer);
  if (!strides || !strides->offset.is_constant()) return std::nullopt;
  ConstantWalk walk;
  walk.start = strides->offset.value();
  std::vector<Expr> rest = c.b.index;
  for (const ContractionAxis& axis : c.axes) {
    int64_t step = 0;
    for (size_t i = 0; i < rest.size(); ++i) {
      if (!ir::uses_var(rest[i], axis.var)) continue;
      std::optional<ir::Affine> affine = ir::affine_in(rest[i], axis.var);
      if (!affine || affine->coefficient->op != ExprOp::kInt || !strides->strides[i].is_constant())
        return std::nullopt;
      step += affine->coefficient->integer * strides->strides[i].value();
      rest[i] = affine->rest;
    }
    walk.step[axis.var] = step;
  }
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i]->op != ExprOp::kInt || !strides->strides[i].is_constant()) return std::nullopt;
    walk.start += rest[i]->integer * strides->strides[i].value();
  }
  return walk;
}

}  // namespace dlc::passes
