#include "passes/round_operands.h"

#include <algorithm>
#include <map>

#include "ir/kernel/lower.h"
#include "runtime/small_floats.h"

namespace dlc::passes {

using ir::AxisRole;
using ir::Buffer;
using ir::BufferId;
using ir::BufferKind;
using ir::Contraction;
using ir::ContractionAxis;
using ir::Expr;

namespace {

// Below these extents what is saved on the product does not pay for the rounding of its operands.
constexpr int64_t kMinDepth = 16;
constexpr int64_t kMinColumns = 16;
constexpr int64_t kMinRows = 8;  // by what only the run knows, which is rounded and packed each time
constexpr int64_t kUnknownExtent = 256;

int64_t extent_of(const Contraction& c, AxisRole role) {
  int64_t total = 1;
  for (const ContractionAxis& axis : c.axes) {
    if (axis.role == role) total *= axis.extent.is_constant() ? axis.extent.value() : kUnknownExtent;
  }
  return total;
}

bool has_step(const Expr& e, ir::VarId v) {
  const std::optional<ir::Affine> affine = ir::affine_in(e, v);
  return affine && affine->coefficient->op == ir::ExprOp::kInt && affine->coefficient->integer == 1;
}

// Whether minimal filtering may take the contraction: two axes of three or five neighbouring taps along which
// outputs move by single steps. It needs fewer multiplications than bfloat16 saves.
bool may_be_filtered(const Contraction& c) {
  int pairs = 0;
  for (const ContractionAxis& tap : c.axes) {
    if (tap.role != AxisRole::kWindow) continue;
    if (tap.extent != ir::Dim(3) && tap.extent != ir::Dim(5)) continue;
    for (const Expr& e : c.a.index) {
      if (!ir::uses_var(e, tap.var) || !has_step(e, tap.var)) continue;
      pairs += std::any_of(c.axes.begin(), c.axes.end(), [&](const ContractionAxis& axis) {
        const bool is_output = axis.role == AxisRole::kM || axis.role == AxisRole::kBatch;
        return is_output && ir::uses_var(e, axis.var) && has_step(e, axis.var);
      });
    }
  }
  return pairs >= 2;
}

class OperandRounder {
 public:
  OperandRounder(ir::Program& program, const Options& options) : program_(program), options_(options) {}

  void run() {
    ir::for_each_region(program_.main, [this](ir::Region& region) { rewrite(region); });
  }

 private:
  bool is_rounded(const Contraction& c, bool is_nested) const {
    auto is_plain = [&](const ir::Operand& operand) {
      return program_.buffer(operand.buffer).dtype == DType::kFloat && !operand.zero_point;
    };
    if (c.has_parts() || c.accumulator_type != DType::kFloat || !is_plain(c.a) || !is_plain(c.b))
      return false;
    if (extent_of(c, AxisRole::kK) < kMinDepth || extent_of(c, AxisRole::kN) < kMinColumns) return false;
    const BufferKind b = program_.buffer(ir::root_of(program_, c.b.buffer)).kind;
    // In a loop what does not change would be rounded in every iteration.
    if (b != BufferKind::kConstant && (is_nested || extent_of(c, AxisRole::kM) < kMinRows)) return false;
    return options_.exact || !may_be_filtered(c);
  }

  void rewrite(ir::Region& region) {
    const bool is_nested = &region != &program_.main;
    rounded_.clear();
    std::vector<ir::Step> steps;
    for (ir::Step& step : region.steps) {
      auto* run = std::get_if<ir::KernelStep>(&step.node);
      if (run == nullptr) {
        rounded_.clear();
      } else {
        auto* c = std::get_if<Contraction>(&run->kernel.body);
        if (c != nullptr && is_rounded(*c, is_nested)) {
          c->a.buffer = rounded(c->a.buffer, run->kernel.origin, steps);
          c->b.buffer = rounded(c->b.buffer, run->kernel.origin, steps);
        }
        for (BufferId id : ir::writes(run->kernel)) rounded_.erase(ir::root_of(program_, id));
      }
      steps.push_back(std::move(step));
    }
    region.steps = std::move(steps);
  }

  // The buffer, a view of something perhaps, over rounded elements.
  BufferId rounded(BufferId id, const std::string& origin, std::vector<ir::Step>& steps) {
    Buffer copy = program_.buffer(id);
    copy.dtype = DType::kBfloat16;
    if (copy.view) {
      copy.view->base = rounded(copy.view->base, origin, steps);
      return program_.add_buffer(std::move(copy));
    }
    const bool constant = copy.kind == BufferKind::kConstant;
    auto [known, is_new] = (constant ? constants_ : rounded_).try_emplace(id, BufferId::kNone);
    if (!is_new) return known->second;
    if (constant) {
      copy.constant = rounded(copy.constant);
    } else {
      copy.kind = BufferKind::kTemp;
      copy.border_index = -1;
      copy.border_type = {};
    }
    known->second = program_.add_buffer(std::move(copy));
    if (!constant) steps.push_back(rounding(id, known->second, origin));
    return known->second;
  }

  static Tensor rounded(const Tensor& floats) {
    Tensor result(DType::kBfloat16, floats.shape());
    const auto* from = floats.as<float>();
    auto* to = static_cast<uint16_t*>(result.mutable_data());
    for (int64_t i = 0; i < floats.size(); ++i)
      to[i] = static_cast<uint16_t>(encode_small_float(kBfloat16Format, static_cast<double>(from[i])));
    return result;
  }

  ir::Step rounding(BufferId from, BufferId to, const std::string& origin) {
    const ir::Shape shape = program_.buffer(to).shape;
    std::vector<ir::VarId> vars;
    std::vector<Expr> index;
    for (size_t i = 0; i < shape.size(); ++i) {
      vars.push_back(program_.fresh_var());
      index.push_back(ir::var(vars.back()));
    }
    ir::Block body = {ir::store(to, index, ir::cast(ir::load(from, DType::kFloat, index), DType::kBfloat16))};
    return ir::Step{
        ir::KernelStep{ir::Kernel{"round", origin, ir::LoopNest{ir::nest(vars, shape, shape.size(), body)}}}};
  }

  ir::Program& program_;
  const Options& options_;
  std::map<BufferId, BufferId> constants_;  // by what they were rounded from
  std::map<BufferId, BufferId> rounded_;    // the same of values, as long as they do not change
};

}  // namespace

void round_operands(ir::Program& program, const Options& options) {
  if (options.precision == Precision::kBfloat16) OperandRounder(program, options).run();
}

}  // namespace dlc::passes
