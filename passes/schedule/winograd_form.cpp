#include "passes/schedule/winograd_form.h"

#include <algorithm>

#include "passes/schedule/access.h"
#include "passes/schedule/tap_range.h"

namespace dlc::passes {

using ir::AxisRole;
using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;
using ir::ExprOp;

namespace {

bool is_unit_step(const Expr& e, ir::VarId v) {
  std::optional<ir::Affine> affine = ir::affine_in(e, v);
  return affine && affine->coefficient->op == ExprOp::kInt && affine->coefficient->integer == 1;
}

// The axis of A at output + tap + offset, if the tap is one of three or five and nothing else moves it.
std::optional<WinogradAxis> pair_axis(const ir::Contraction& c, const ContractionAxis& output,
                                      const ContractionAxis& tap) {
  if (tap.extent != Dim(3) && tap.extent != Dim(5)) return std::nullopt;
  const std::vector<size_t> uses = uses_of(c.a.index, tap.var);
  if (uses.size() != 1 || uses_of(c.a.index, output.var) != uses) return std::nullopt;
  if (uses_of(c.out_index, output.var).size() != 1) return std::nullopt;
  const Expr& position = c.a.index[uses[0]];
  if (!is_unit_step(position, output.var) || !is_unit_step(position, tap.var)) return std::nullopt;
  const Expr offset = ir::substitute(
      position, [&](ir::VarId v) { return v == output.var || v == tap.var ? ir::integer(0) : Expr(); });
  if (offset->op != ExprOp::kInt) return std::nullopt;
  return WinogradAxis{output, tap, uses[0], offset->integer};
}

// Takes the innermost pair out of the lists.
std::optional<WinogradAxis> take_pair(const ir::Contraction& c, std::vector<ContractionAxis>& outputs,
                                      std::vector<ContractionAxis>& taps) {
  for (size_t i = taps.size(); i-- > 0;) {
    for (size_t j = outputs.size(); j-- > 0;) {
      std::optional<WinogradAxis> pair = pair_axis(c, outputs[j], taps[i]);
      if (!pair) continue;
      taps.erase(taps.begin() + static_cast<std::ptrdiff_t>(i));
      outputs.erase(outputs.begin() + static_cast<std::ptrdiff_t>(j));
      return pair;
    }
  }
  return std::nullopt;
}

bool shares_axis_with(const ir::Contraction& c, const ContractionAxis& output, const ContractionAxis& tap) {
  for (size_t i : uses_of(c.a.index, tap.var)) {
    if (ir::uses_var(c.a.index[i], output.var)) return true;
  }
  return false;
}

// Sorts the output axes into those that further windows move and those that no window touches.
bool split_outputs(const ir::Contraction& c, const std::vector<ContractionAxis>& outputs,
                   WinogradForm& form) {
  for (const ContractionAxis& output : outputs) {
    const bool moved = std::any_of(form.windows.begin(), form.windows.end(), [&](const ContractionAxis& tap) {
      return shares_axis_with(c, output, tap);
    });
    (moved ? form.depth : form.images).push_back(output);
  }
  for (size_t i = 0; i < c.a.index.size(); ++i) {
    auto moves = [&](const ContractionAxis& axis) { return ir::uses_var(c.a.index[i], axis.var); };
    const bool frames = std::any_of(form.windows.begin(), form.windows.end(), moves);
    if (!frames) continue;
    if (std::any_of(form.images.begin(), form.images.end(), moves) || moves(form.k)) return false;
    form.frame_axes.push_back(i);
  }
  return true;
}

bool is_float_convolution(const ir::Program& program, const ir::Contraction& c) {
  const bool floats = program.buffer(c.a.buffer).dtype == DType::kFloat &&
                      program.buffer(c.b.buffer).dtype == DType::kFloat &&
                      c.accumulator_type == DType::kFloat;
  return floats && !c.a.zero_point.get() && !c.b.zero_point.get();
}

}  // namespace

std::optional<WinogradForm> winograd_form(const ir::Program& program, const ir::Contraction& c) {
  if (!is_float_convolution(program, c)) return std::nullopt;
  WinogradForm form;
  std::vector<ContractionAxis> n, k, outputs, taps;
  for (const ContractionAxis& axis : c.axes) {
    if (axis.role == AxisRole::kN) n.push_back(axis);
    if (axis.role == AxisRole::kK) k.push_back(axis);
    if (axis.role == AxisRole::kWindow) taps.push_back(axis);
    if (axis.role == AxisRole::kM || axis.role == AxisRole::kBatch) outputs.push_back(axis);
    const bool grouped = axis.role == AxisRole::kBatch && !uses_of(c.b.index, axis.var).empty();
    if (grouped && axis.extent != Dim(1)) return std::nullopt;
  }
  if (n.size() != 1 || k.size() != 1) return std::nullopt;
  form.n = n[0];
  form.k = k[0];
  if (!form.n.extent.is_constant() || !form.k.extent.is_constant()) return std::nullopt;
  if (!is_contiguous(program, c.a.buffer, c.a.index, form.k.var)) return std::nullopt;
  if (!is_contiguous(program, c.out, c.out_index, form.n.var)) return std::nullopt;
  std::optional<WinogradAxis> column = take_pair(c, outputs, taps);
  if (!column) return std::nullopt;
  std::optional<WinogradAxis> row = take_pair(c, outputs, taps);
  if (!row || row->tap.extent != column->tap.extent) return std::nullopt;
  form.taps = static_cast<int>(column->tap.extent.value());
  form.column = *column;
  form.row = *row;
  form.windows = taps;
  if (!split_outputs(c, outputs, form)) return std::nullopt;
  return form;
}

}  // namespace dlc::passes
