#include "passes/schedule/tap_range.h"

namespace dlc::passes {

using ir::ContractionAxis;
using ir::Expr;
using ir::ExprOp;

std::optional<TapRange> tap_range(const ir::Program& program, const ir::Contraction& c,
                                  const ContractionAxis& axis) {
  const ir::Buffer& a = program.buffer(c.a.buffer);
  TapRange range{ir::integer(0), ir::dim(axis.extent)};
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

}  // namespace dlc::passes
