#include "passes/schedule/merge_taps.h"

#include <algorithm>
#include <cstring>

#include "ir/kernel/lower.h"
#include "passes/schedule/access.h"
#include "passes/schedule/tap_range.h"

namespace dlc::passes {

using ir::AxisRole;
using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;
using ir::ExprOp;
using ir::VarId;

namespace {

constexpr int64_t kFewChannels = 8;

// The channel, the tap that follows it in memory, and the axes of A and B that they alone move by single
// steps.
struct Run {
  ContractionAxis channel;
  ContractionAxis tap;
  size_t a_channel, a_tap;
  size_t b_channel, b_tap;
};

std::optional<size_t> only_use(const std::vector<Expr>& index, VarId v) {
  const std::vector<size_t> uses = uses_of(index, v);
  if (uses.size() != 1) return std::nullopt;
  const std::optional<ir::Affine> affine = ir::affine_in(index[uses[0]], v);
  const bool single = affine && affine->coefficient->op == ExprOp::kInt && affine->coefficient->integer == 1;
  return single ? std::optional(uses[0]) : std::nullopt;
}

std::optional<Dim> stride(const ir::Program& program, const ir::Operand& operand, VarId v) {
  return stride_along(program, Access{operand.buffer, &operand.index, false, {}}, v);
}

std::optional<Run> find_run(const ir::Program& program, const ir::Contraction& c) {
  std::optional<ContractionAxis> channel;
  for (const ContractionAxis& axis : c.axes) {
    if (axis.role != AxisRole::kK) continue;
    if (channel) return std::nullopt;
    channel = axis;
  }
  if (!channel || !channel->extent.is_constant() || channel->extent.value() >= kFewChannels)
    return std::nullopt;
  if (channel->extent != Dim(1) && stride(program, c.a, channel->var) != Dim(1)) return std::nullopt;
  for (const ContractionAxis& axis : c.axes) {
    if (axis.role != AxisRole::kWindow || !axis.extent.is_constant() || axis.extent.value() < 2) continue;
    if (stride(program, c.a, axis.var) != channel->extent) continue;
    const auto a_channel = only_use(c.a.index, channel->var), a_tap = only_use(c.a.index, axis.var);
    const auto b_channel = only_use(c.b.index, channel->var), b_tap = only_use(c.b.index, axis.var);
    if (!a_channel || !a_tap || !b_channel || !b_tap || *a_channel == *a_tap) continue;
    return Run{*channel, axis, *a_channel, *a_tap, *b_channel, *b_tap};
  }
  return std::nullopt;
}

// The least and the largest value of an index; nothing if it is not an affine function with constant,
// positive steps of constant extents.
struct Range {
  int64_t first, last;
};
std::optional<Range> range_of(const ir::Contraction& c, Expr e) {
  int64_t reach = 0;
  for (const ContractionAxis& axis : c.axes) {
    if (!ir::uses_var(e, axis.var)) continue;
    const std::optional<ir::Affine> affine = ir::affine_in(e, axis.var);
    if (!affine || affine->coefficient->op != ExprOp::kInt || affine->coefficient->integer < 0)
      return std::nullopt;
    if (!axis.extent.is_constant() || axis.extent.value() < 1) return std::nullopt;
    reach += affine->coefficient->integer * (axis.extent.value() - 1);
    e = affine->rest;
  }
  if (e->op != ExprOp::kInt) return std::nullopt;
  return Range{e->integer, e->integer + reach};
}

// A with its padding.
class PaddedCopy {
 public:
  PaddedCopy(ir::Program& program, ir::Contraction& c, const Run& run)
      : program_(program), c_(c), run_(run) {}

  // False if an extent is not known.
  bool plan() {
    const ir::Buffer& source = program_.buffer(c_.a.buffer);
    before_.assign(source.shape.size(), 0);
    shape_ = source.shape;
    for (size_t i = 0; i < shape_.size(); ++i) {
      const bool windowed = std::any_of(c_.axes.begin(), c_.axes.end(), [&](const ContractionAxis& axis) {
        return axis.role == AxisRole::kWindow && ir::uses_var(c_.a.index[i], axis.var);
      });
      if (!windowed) continue;
      const std::optional<Range> range = range_of(c_, c_.a.index[i]);
      if (!range || !shape_[i].is_constant()) return false;
      before_[i] = std::max<int64_t>(0, -range->first);
      shape_[i] = before_[i] + std::max(shape_[i].value(), range->last + 1);
    }
    return true;
  }

  std::vector<ir::Kernel> make() {
    const ir::Buffer source = program_.buffer(c_.a.buffer);
    ir::Buffer padded;
    padded.name = source.name + ".padded";
    padded.dtype = source.dtype;
    padded.shape = shape_;
    for (size_t i = 0; i < shape_.size(); ++i) {
      if (i != run_.a_tap && i != run_.a_channel) padded.order.push_back(static_cast<int>(i));
    }
    padded.order.push_back(static_cast<int>(run_.a_tap));
    padded.order.push_back(static_cast<int>(run_.a_channel));
    const ir::BufferId to = program_.add_buffer(std::move(padded));
    const Expr zero = c_.a.zero_point          ? c_.a.zero_point
                      : is_float(source.dtype) ? ir::real(0, source.dtype)
                                               : ir::integer(0, source.dtype);
    const ir::BufferId from = c_.a.buffer;
    std::vector<ir::Kernel> kernels;
    kernels.push_back(kernel(shape_, [&](const std::vector<Expr>& at) { return ir::store(to, at, zero); }));
    kernels.push_back(kernel(source.shape, [&](const std::vector<Expr>& at) {
      return ir::store(to, moved(at), ir::load(from, source.dtype, at));
    }));
    c_.a.index = moved(c_.a.index);
    c_.a.buffer = to;
    c_.a.padded = false;
    return kernels;
  }

 private:
  std::vector<Expr> moved(const std::vector<Expr>& index) const {
    std::vector<Expr> result;
    for (size_t i = 0; i < index.size(); ++i)
      result.push_back(before_[i] == 0 ? index[i] : index[i] + ir::integer(before_[i]));
    return result;
  }

  // Stores for all positions of a shape; the channels and the axis of the taps are one run in memory.
  ir::Kernel kernel(ir::Shape shape, const std::function<ir::Stmt(const std::vector<Expr>&)>& statement) {
    shape[run_.a_channel] *= shape[run_.a_tap];
    shape[run_.a_tap] = 1;
    std::vector<VarId> vars;
    std::vector<Expr> index;
    for (const Dim& extent : shape) {
      vars.push_back(extent == Dim(1) ? VarId::kNone : program_.fresh_var());
      index.push_back(extent == Dim(1) ? ir::integer(0) : ir::var(vars.back()));
    }
    return {"pad", "", ir::LoopNest{ir::nest(vars, shape, vars.size(), {statement(index)})}};
  }

  ir::Program& program_;
  ir::Contraction& c_;
  const Run& run_;
  std::vector<int64_t> before_;  // elements of padding, by axis
  ir::Shape shape_;
};

// The axes with these two behind the others.
std::vector<size_t> with_last(size_t rank, size_t tap, size_t channel) {
  std::vector<size_t> order;
  for (size_t i = 0; i < rank; ++i) {
    if (i != tap && i != channel) order.push_back(i);
  }
  order.insert(order.end(), {tap, channel});
  return order;
}

Tensor transposed(const Tensor& tensor, const std::vector<size_t>& order) {
  const std::vector<int64_t>& shape = tensor.shape();
  std::vector<int64_t> steps(shape.size(), 1), extents, from_steps;
  for (size_t i = shape.size() - 1; i > 0; --i) steps[i - 1] = steps[i] * shape[i];
  for (const size_t i : order) {
    extents.push_back(shape[i]);
    from_steps.push_back(steps[i]);
  }
  Tensor result(tensor.dtype(), extents);
  const int64_t bytes = byte_size(tensor.dtype(), 1);
  for (int64_t to = 0; to < result.size(); ++to) {
    int64_t rest = to, from = 0;
    for (size_t i = extents.size(); i-- > 0;) {
      from += rest % extents[i] * from_steps[i];
      rest /= extents[i];
    }
    std::memcpy(result.mutable_as<uint8_t>() + to * bytes, tensor.as<uint8_t>() + from * bytes,
                static_cast<size_t>(bytes));
  }
  return result;
}

// The weights with channels innermost behind the taps; what puts those there that only the run knows.
std::vector<ir::Kernel> reorder_weights(ir::Program& program, ir::Contraction& c, const Run& run) {
  const ir::Buffer source = program.buffer(c.b.buffer);
  const std::vector<size_t> order = with_last(source.shape.size(), run.b_tap, run.b_channel);
  const bool constant = source.kind == ir::BufferKind::kConstant;
  ir::Buffer weights;
  weights.name = source.name;
  weights.kind = constant ? ir::BufferKind::kConstant : ir::BufferKind::kTemp;
  weights.dtype = source.dtype;
  if (constant) weights.constant = transposed(source.constant, order);
  std::vector<Expr> index, from, to;
  std::vector<VarId> vars;
  for (const size_t i : order) {
    weights.shape.push_back(source.shape[i]);
    index.push_back(c.b.index[i]);
    vars.push_back(program.fresh_var());
    to.push_back(ir::var(vars.back()));
  }
  from.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) from[order[i]] = to[i];
  const ir::BufferId given = std::exchange(c.b.buffer, program.add_buffer(std::move(weights)));
  c.b.index = std::move(index);
  if (constant) return {};
  const ir::Shape& shape = program.buffer(c.b.buffer).shape;
  const ir::Stmt store = ir::store(c.b.buffer, to, ir::load(given, source.dtype, from));
  std::vector<ir::Kernel> kernels;
  kernels.push_back({"reorder", "", ir::LoopNest{ir::nest(vars, shape, vars.size(), {store})}});
  return kernels;
}

// The channel goes on where the tap ends; where there is but one channel the tap takes its role.
void merge(ir::Contraction& c, const Run& run) {
  const bool one_channel = run.channel.extent == Dim(1);
  const VarId gone = one_channel ? run.channel.var : run.tap.var;
  auto without = [&](Expr& e) {
    e = ir::substitute(e, [&](VarId v) { return v == gone ? ir::integer(0) : Expr(); });
  };
  for (Expr& e : c.a.index) without(e);
  for (Expr& e : c.b.index) without(e);
  std::erase_if(c.axes, [&](const ContractionAxis& axis) { return axis.var == gone; });
  for (ContractionAxis& axis : c.axes) {
    if (axis.var == run.tap.var) axis.role = AxisRole::kK;
    if (axis.var == run.channel.var) axis.extent = run.tap.extent * run.channel.extent;
  }
}

}  // namespace

std::vector<ir::Kernel> merge_taps(ir::Program& program, ir::Contraction& c) {
  const ir::Buffer& weights = program.buffer(c.b.buffer);
  if (weights.kind == ir::BufferKind::kConstant && (weights.view || !weights.order.empty())) return {};
  const std::optional<Run> run = find_run(program, c);
  if (!run) return {};
  std::vector<ir::Kernel> kernels;
  if (c.a.padded) {
    PaddedCopy copy(program, c, *run);
    if (!copy.plan()) return {};
    kernels = copy.make();
  }
  for (ir::Kernel& kernel : reorder_weights(program, c, *run)) kernels.push_back(std::move(kernel));
  merge(c, *run);
  return kernels;
}

}  // namespace dlc::passes
