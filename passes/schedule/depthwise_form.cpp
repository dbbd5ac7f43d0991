#include "passes/schedule/depthwise_form.h"

#include <algorithm>

#include "ir/kernel/lower.h"
#include "passes/schedule/access.h"
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

std::vector<int> channel_innermost(const std::vector<Expr>& index, ir::VarId channel) {
  const size_t axis = uses_of(index, channel).back();
  std::vector<int> order;
  for (size_t i = 0; i < index.size(); ++i) {
    if (i != axis) order.push_back(static_cast<int>(i));
  }
  order.push_back(static_cast<int>(axis));
  return order;
}

}  // namespace

std::optional<DepthwiseForm> depthwise_form(const ir::Program& program, const ir::Contraction& c) {
  if (c.a.zero_point.get() || c.b.zero_point.get()) return std::nullopt;
  DepthwiseForm form;
  std::vector<ContractionAxis> channels;
  for (const ContractionAxis& axis : c.axes) {
    if (axis.role == AxisRole::kN || axis.role == AxisRole::kK) {
      if (axis.extent != Dim(1)) return std::nullopt;
    } else if (is_summed(axis)) {
      form.windows.push_back(axis);
    } else if (axis.role == AxisRole::kBatch && channels.empty() &&
               uses_of(c.b.index, axis.var).size() == 1 &&
               is_contiguous(program, c.a.buffer, c.a.index, axis.var) &&
               is_contiguous(program, c.out, c.out_index, axis.var)) {
      channels.push_back(axis);
    } else {
      form.outer.push_back(axis);
    }
  }
  if (channels.empty() || !find_column_and_tap(c, form)) return std::nullopt;
  form.channel = channels.front();
  for (const ContractionAxis& window : form.windows) {
    if (c.a.padded && !tap_range(program, c, window)) return std::nullopt;
  }
  return form;
}

std::optional<ir::Kernel> schedule_depthwise(ir::Program& program, ir::Contraction& c,
                                             const DepthwiseForm& form) {
  c.schedule.algorithm = ir::Algorithm::kDepthwise;
  if (is_contiguous(program, c.b.buffer, c.b.index, form.channel.var)) return std::nullopt;
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
  if (constant) return std::nullopt;
  std::vector<ir::VarId> vars;
  std::vector<Expr> index;
  for (size_t i = 0; i < copy.shape.size(); ++i) {
    vars.push_back(program.fresh_var());
    index.push_back(ir::var(vars.back()));
  }
  ir::Block body = {ir::store(c.b.buffer, index, ir::load(from, copy.dtype, index))};
  return ir::Kernel{"pack", "", ir::LoopNest{ir::nest(vars, copy.shape, copy.shape.size(), body)}};
}

}  // namespace dlc::passes
