#include "passes/schedule/depthwise_form.h"

#include <algorithm>

#include "ir/kernel/lower.h"
#include "passes/schedule/access.h"
#include "passes/schedule/centered_constant.h"
#include "passes/schedule/tap_range.h"

namespace dlc::passes {

using ir::AxisRole;
using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;
using ir::ExprOp;

namespace {

constexpr int64_t kMaxTaps = 16;  // of the innermost window, which is unrolled

std::optional<int64_t> constant_step(const Expr& e, ir::VarId v) {
  std::optional<ir::Affine> affine = ir::affine_in(e, v);
  if (!affine || affine->coefficient->op != ExprOp::kInt || affine->coefficient->integer <= 0)
    return std::nullopt;
  return affine->coefficient->integer;
}

// Fills column, tap and how they move along one axis of A, if that axis is walked by these two alone.
bool pair_column_and_tap(const ir::Contraction& c, const ContractionAxis& column, const ContractionAxis& tap,
                         DepthwiseForm& form) {
  const std::vector<size_t> uses = uses_of(c.a.index, tap.var);
  if (uses.size() != 1 || !tap.extent.is_constant() || tap.extent.value() > kMaxTaps) return false;
  const Expr& position = c.a.index[uses[0]];
  if (uses_of(c.a.index, column.var) != uses) return false;
  std::optional<int64_t> stride = constant_step(position, column.var);
  std::optional<int64_t> dilation = constant_step(position, tap.var);
  if (!stride || !dilation) return false;
  const Expr offset = ir::substitute(
      position, [&](ir::VarId v) { return v == column.var || v == tap.var ? ir::integer(0) : Expr(); });
  if (offset->op != ExprOp::kInt) return false;
  form.column = column;
  form.tap = tap;
  form.column_axis = uses[0];
  form.stride = *stride;
  form.dilation = *dilation;
  form.offset = offset->integer;
  return true;
}

// The innermost pair of an output axis and a summed axis that move one axis of A.
bool find_column_and_tap(const ir::Contraction& c, DepthwiseForm& form) {
  for (size_t i = form.windows.size(); i-- > 0;) {
    for (size_t j = form.outer.size(); j-- > 0;) {
      if (!pair_column_and_tap(c, form.outer[j], form.windows[i], form)) continue;
      form.windows.erase(form.windows.begin() + static_cast<std::ptrdiff_t>(i));
      form.outer.erase(form.outer.begin() + static_cast<std::ptrdiff_t>(j));
      return true;
    }
  }
  return false;
}

// The axis that fills the lanes.
bool find_channel(const ir::Program& program, const ir::Contraction& c, DepthwiseForm& form) {
  form.groups = channel_groups(program, c);
  if (form.groups) {
    form.channel = form.groups->n;
    form.channel.extent *= form.groups->group.extent;
    return true;
  }
  const ContractionAxis* channel = nullptr;
  for (const ContractionAxis& axis : c.axes) {
    if ((axis.role == AxisRole::kN || axis.role == AxisRole::kK) && axis.extent != Dim(1)) return false;
    const bool fits = channel == nullptr && axis.role == AxisRole::kBatch &&
                      uses_of(c.b.index, axis.var).size() == 1 &&
                      is_contiguous(program, c.a.buffer, c.a.index, axis.var) &&
                      is_contiguous(program, c.out, c.out_index, axis.var);
    if (fits) channel = &axis;
  }
  if (channel == nullptr) return false;
  form.channel = *channel;
  return true;
}

bool uses_axis(const std::vector<Expr>& index, const ContractionAxis& axis) {
  return std::any_of(index.begin(), index.end(), [&](const Expr& e) { return ir::uses_var(e, axis.var); });
}

bool is_byte(DType type) { return type == DType::kInt8 || type == DType::kUint8; }

// Sums of so many products of numbers below 256 are whole numbers below 2^24.
constexpr int64_t kMaxExactTerms = 256;

// Whether A holds bytes and every partial sum is exact in float: the sum of bytes in int32 before, in float
// after schedule_bytes().
bool is_exact_in_float(const ir::Program& program, const ir::Contraction& c) {
  Dim terms = 1;
  for (const ContractionAxis& axis : c.axes) {
    if (is_summed(axis)) terms *= axis.extent;
    if (c.a.zero_point && ir::uses_var(c.a.zero_point, axis.var)) return false;
    if (c.b.zero_point && ir::uses_var(c.b.zero_point, axis.var) && !uses_axis(c.b.index, axis)) return false;
  }
  if (!terms.is_constant() || terms.value() > kMaxExactTerms) return false;
  const DType b = program.buffer(c.b.buffer).dtype;
  if (!is_byte(program.buffer(c.a.buffer).dtype)) return false;
  return c.accumulator_type == DType::kInt32 ? is_byte(b) : b == DType::kFloat && !c.b.zero_point;
}

std::vector<int> channel_innermost(const std::vector<Expr>& index, ir::VarId channel) {
  const size_t axis = uses_of(index, channel).back();
  std::vector<int> order;
  for (size_t i = 0; i < index.size(); ++i) {
    if (i != axis) order.push_back(static_cast<int>(i));
  }
  order.push_back(static_cast<int>(axis));
  return order;
}

// The copy of B as floats without its zero point, made at run time.
ir::Kernel convert_kernel(ir::Program& program, const ir::Contraction& c, ir::BufferId floats) {
  std::map<ir::VarId, Expr> renamed;
  std::vector<ir::VarId> vars;
  ir::Shape shape;
  for (const ContractionAxis& axis : c.axes) {
    if (!uses_axis(c.b.index, axis)) continue;
    vars.push_back(program.fresh_var());
    shape.push_back(axis.extent);
    renamed[axis.var] = ir::var(vars.back());
  }
  auto moved = [&](const Expr& e) {
    return ir::substitute(e, [&](ir::VarId v) {
      auto it = renamed.find(v);
      return it == renamed.end() ? Expr() : it->second;
    });
  };
  std::vector<Expr> index;
  for (const Expr& e : c.b.index) index.push_back(moved(e));
  Expr value = ir::cast(ir::load(c.b.buffer, program.buffer(c.b.buffer).dtype, index), DType::kInt32);
  if (c.b.zero_point) value = value - ir::cast(moved(c.b.zero_point), DType::kInt32);
  ir::Block body = {ir::store(floats, index, ir::cast(value, DType::kFloat))};
  return {"pack", "", ir::LoopNest{ir::nest(vars, shape, vars.size(), std::move(body))}};
}

// Bytes are multiplied and added as floats, which is one step and exact: the weights, few as they are, become
// floats without zero point.
std::vector<ir::Kernel> schedule_bytes(ir::Program& program, ir::Contraction& c, const DepthwiseForm& form) {
  const ir::VarId sum = c.accumulator;
  c.epilogue = ir::rewrite(c.epilogue, [&](const Expr& e) {
    const Expr as_float = ir::var(sum, DType::kFloat);
    if (e->op == ExprOp::kVar && e->var == sum) return ir::cast(as_float, DType::kInt32);
    const bool is_back = e->op == ExprOp::kCast && e->type == DType::kFloat;
    return is_back && ir::same(e->args[0], ir::cast(as_float, DType::kInt32)) ? as_float : Expr();
  });
  c.accumulator_type = DType::kFloat;
  c.schedule.algorithm = ir::Algorithm::kDepthwise;

  ir::Buffer floats;
  floats.name = program.buffer(c.b.buffer).name + ".packed";
  floats.dtype = DType::kFloat;
  floats.shape = program.buffer(c.b.buffer).shape;
  floats.order = channel_innermost(c.b.index, form.channel.var);
  std::optional<Tensor> centered;
  if (!program.buffer(c.b.buffer).view) {
    const std::optional<ConstantWalk> walk = constant_walk(program, c);
    if (walk) centered = centered_constant(program, c, *walk);
  }
  if (centered) {
    floats.kind = ir::BufferKind::kConstant;
    floats.constant = Tensor(DType::kFloat, centered->shape());
    for (int64_t i = 0; i < centered->size(); ++i) floats.constant.set_int(i, centered->get_int(i));
  }
  const ir::BufferId copy = program.add_buffer(std::move(floats));
  std::vector<ir::Kernel> kernels;
  if (!centered) kernels = {convert_kernel(program, c, copy)};
  c.b = {.buffer = copy, .index = c.b.index};
  return kernels;
}

}  // namespace

std::optional<DepthwiseForm> depthwise_form(const ir::Program& program, const ir::Contraction& c) {
  if ((c.a.zero_point.get() || c.b.zero_point.get()) && !is_exact_in_float(program, c)) return std::nullopt;
  DepthwiseForm form;
  if (!find_channel(program, c, form)) return std::nullopt;
  for (const ContractionAxis& axis : c.axes) {
    const bool is_channel =
        axis.var == form.channel.var || (form.groups && axis.var == form.groups->group.var);
    if (is_channel || axis.role == AxisRole::kN || axis.role == AxisRole::kK) continue;
    (is_summed(axis) ? form.windows : form.outer).push_back(axis);
  }
  if (!find_column_and_tap(c, form)) return std::nullopt;
  for (const ContractionAxis& window : form.windows) {
    if (c.a.padded && !tap_range(program, c, window)) return std::nullopt;
  }
  return form;
}

std::vector<ir::Kernel> schedule_depthwise(ir::Program& program, ir::Contraction& c,
                                           const DepthwiseForm& form) {
  if (c.accumulator_type == DType::kInt32 && is_exact_in_float(program, c))
    return schedule_bytes(program, c, form);
  c.schedule.algorithm = ir::Algorithm::kDepthwise;
  if (is_contiguous(program, c.b.buffer, c.b.index, form.channel.var)) return {};
  const ir::Buffer source = program.buffer(c.b.buffer);
  ir::Buffer copy;
  copy.name = source.name + ".packed";
  copy.dtype = source.dtype;
  copy.shape = source.shape;
  copy.order = channel_innermost(c.b.index, form.channel.var);
  const bool constant = source.kind == ir::BufferKind::kConstant && !source.view && source.order.empty();
  if (constant) {
    copy.kind = ir::BufferKind::kConstant;
    copy.constant = source.constant;
  }
  const ir::BufferId from = c.b.buffer;
  c.b.buffer = program.add_buffer(copy);
  if (constant) return {};
  std::vector<ir::VarId> vars;
  std::vector<Expr> index;
  for (size_t i = 0; i < copy.shape.size(); ++i) {
    vars.push_back(program.fresh_var());
    index.push_back(ir::var(vars.back()));
  }
  ir::Block body = {ir::store(c.b.buffer, index, ir::load(from, copy.dtype, index))};
  return {ir::Kernel{"pack", "", ir::LoopNest{ir::nest(vars, copy.shape, copy.shape.size(), body)}}};
}

}  // namespace dlc::passes
