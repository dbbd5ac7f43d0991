#include "passes/schedule/centered_constant.h"

#include <algorithm>

#include "ir/kernel/expand_contraction.h"
#include "ir/kernel/simplify.h"

namespace dlc::passes {

using ir::ContractionAxis;
using ir::Expr;
using ir::ExprOp;
using ir::VarId;

namespace {

// An integer that variables and constant buffers give; nothing if it needs more.
std::optional<int64_t> known_value(const ir::Program& program, const Expr& e,
                                   const std::map<VarId, int64_t>& variables) {
  if (e->op == ExprOp::kInt) return e->integer;
  if (e->op != ExprOp::kLoad) return std::nullopt;
  const ir::Buffer& buffer = program.buffer(e->buffer);
  if (buffer.kind != ir::BufferKind::kConstant || buffer.view || !buffer.order.empty()) return std::nullopt;
  int64_t flat = 0;
  for (size_t i = 0; i < e->args.size(); ++i) {
    const Expr index = ir::simplify(ir::substitute(e->args[i], [&](VarId v) {
      auto it = variables.find(v);
      return it == variables.end() ? Expr() : ir::integer(it->second);
    }));
    if (index->op != ExprOp::kInt) return std::nullopt;
    flat = flat * buffer.shape[i].value() + index->integer;
  }
  return buffer.constant.get_int(flat);
}

class Centering {
 public:
  Centering(const ir::Program& program, const ir::Contraction& c, const ConstantWalk& walk)
      : program_(program),
        zero_point_(c.b.zero_point),
        walk_(walk),
        source_(program.buffer(ir::root_of(program, c.b.buffer)).constant),
        result_(DType::kInt32, source_.shape()) {
    for (const ContractionAxis& axis : c.axes) {
      const bool used = std::any_of(c.b.index.begin(), c.b.index.end(),
                                    [&](const Expr& e) { return ir::uses_var(e, axis.var); });
      if (used) (ir::is_summed(axis.role) ? summed_ : outer_).push_back(axis);
    }
  }

  std::optional<Tensor> run() {
    over_outer(0, walk_.start);
    if (!known_) return std::nullopt;
    return std::move(result_);
  }

 private:
  void over_outer(size_t axis, int64_t at) {
    if (axis == outer_.size()) {
      std::optional<int64_t> zero = 0;
      if (zero_point_) zero = known_value(program_, zero_point_, position_);
      known_ = zero.has_value();
      if (known_) over_summed(0, at, *zero);
      return;
    }
    const ContractionAxis& outer = outer_[axis];
    for (int64_t i = 0; known_ && i < outer.extent.value(); ++i) {
      position_[outer.var] = i;
      over_outer(axis + 1, at + i * walk_.step.at(outer.var));
    }
  }

  void over_summed(size_t axis, int64_t at, int64_t zero) {
    if (axis == summed_.size()) {
      result_.mutable_as<int32_t>()[at] = static_cast<int32_t>(source_.get_int(at) - zero);
      return;
    }
    const int64_t step = walk_.step.at(summed_[axis].var);
    for (int64_t i = 0; i < summed_[axis].extent.value(); ++i) over_summed(axis + 1, at + i * step, zero);
  }

  const ir::Program& program_;
  const Expr& zero_point_;
  const ConstantWalk& walk_;
  const Tensor& source_;
  Tensor result_;
  std::vector<ContractionAxis> outer_;
  std::vector<ContractionAxis> summed_;
  std::map<VarId, int64_t> position_;
  bool known_ = true;
};

}  // namespace

std::optional<Tensor> centered_constant(const ir::Program& program, const ir::Contraction& c,
                                        const ConstantWalk& walk) {
  return Centering(program, c, walk).run();
}

}  // namespace dlc::passes
