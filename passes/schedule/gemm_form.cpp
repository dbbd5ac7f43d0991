#include "passes/schedule/gemm_form.h"

#include <algorithm>

#include "passes/schedule/access.h"

namespace dlc::passes {

using ir::AxisRole;
using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;
using ir::VarId;

namespace {

std::optional<Dim> stride(const ir::Program& program, ir::BufferId buffer, const std::vector<Expr>& index,
                          VarId v) {
  return stride_along(program, Access{buffer, &index, false, {}}, v);
}

bool walked_as_one(const ir::Program& program, const ir::Contraction& c, const ContractionAxis& outer,
                   const ContractionAxis& inner) {
  for (const Expr& e : {c.epilogue, c.parts.term}) {
    if (!epilogue_only_addresses(e, outer.var) || !epilogue_only_addresses(e, inner.var)) return false;
  }
  // A padded operand tests each index against its own extent.
  if (c.a.padded) {
    for (const Expr& e : c.a.index) {
      if (ir::uses_var(e, outer.var) || ir::uses_var(e, inner.var)) {
        const bool with_window = std::any_of(c.axes.begin(), c.axes.end(), [&](const ContractionAxis& axis) {
          return axis.role == AxisRole::kWindow && ir::uses_var(e, axis.var);
        });
        if (with_window) return false;
      }
    }
  }
  for (const ContractionAccess& access : accesses(c)) {
    std::optional<Dim> a = stride(program, access.buffer, *access.index, outer.var);
    std::optional<Dim> b = stride(program, access.buffer, *access.index, inner.var);
    if (!a || !b || *a != *b * inner.extent) return false;
  }
  return true;
}

void replace_by_zero(ir::Contraction& c, VarId gone) {
  auto replace = [&](Expr& e) {
    if (e) e = ir::substitute(e, [&](VarId v) { return v == gone ? ir::integer(0) : Expr(); });
  };
  for (Expr& e : c.a.index) replace(e);
  for (Expr& e : c.b.index) replace(e);
  for (Expr& e : c.out_index) replace(e);
  replace(c.parts.term);
  replace(c.epilogue);
}

// Of a single input channel, neighbouring taps are a run of A where no tap may lie outside of it.
void take_tap_as_k(const ir::Program& program, const ir::Contraction& c, GemmForm& form) {
  const auto tap = std::find_if(form.windows.begin(), form.windows.end(), [&](const ContractionAxis& axis) {
    return axis.extent != Dim(1) && is_contiguous(program, c.a.buffer, c.a.index, axis.var);
  });
  if (tap != form.windows.end()) std::swap(*tap, form.k);
}

}  // namespace

bool epilogue_only_addresses(const Expr& epilogue, VarId v) {
  if (!epilogue) return true;
  ir::Block block;
  block.push_back({ir::Let{VarId{-4}, epilogue}});
  return only_addresses(block, v);
}

std::vector<ContractionAccess> accesses(const ir::Contraction& c) {
  std::vector<ContractionAccess> out = {
      {c.a.buffer, &c.a.index}, {c.b.buffer, &c.b.index}, {c.out, &c.out_index}};
  for (const Expr* e : {&c.epilogue, &c.parts.term}) {
    if (!*e) continue;
    ir::visit(*e, [&](const ir::ExprNode& node) {
      if (node.op == ir::ExprOp::kLoad) out.push_back({node.buffer, &node.args});
    });
  }
  return out;
}

std::optional<GemmForm> gemm_form(const ir::Program& program, const ir::Contraction& c) {
  GemmForm form;
  std::vector<ContractionAxis> n, k;
  for (const ContractionAxis& axis : c.axes) {
    switch (axis.role) {
      case AxisRole::kBatch:
        form.batch.push_back(axis);
        break;
      case AxisRole::kM:
        form.m.push_back(axis);
        break;
      case AxisRole::kN:
        n.push_back(axis);
        break;
      case AxisRole::kK:
        k.push_back(axis);
        break;
      case AxisRole::kWindow:
        form.windows.push_back(axis);
        break;
    }
  }
  if (n.empty() || k.empty()) return std::nullopt;
  auto pick = [&](std::vector<ContractionAxis>& from, ir::BufferId buffer, const std::vector<Expr>& index) {
    auto best = std::find_if(from.begin(), from.end(), [&](const ContractionAxis& axis) {
      return is_contiguous(program, buffer, index, axis.var);
    });
    if (best == from.end()) best = from.end() - 1;
    ContractionAxis chosen = *best;
    from.erase(best);
    return chosen;
  };
  form.n = pick(n, c.out, c.out_index);
  form.k = pick(k, c.a.buffer, c.a.index);
  form.batch.insert(form.batch.end(), n.begin(), n.end());
  form.windows.insert(form.windows.begin(), k.begin(), k.end());
  if (form.k.extent == Dim(1) && !c.a.padded) take_tap_as_k(program, c, form);
  return form;
}

void collapse_axes(const ir::Program& program, ir::Contraction& c) {
  for (size_t i = c.axes.size(); i-- > 1;) {
    ContractionAxis& outer = c.axes[i - 1];
    ContractionAxis& inner = c.axes[i];
    const bool mergeable =
        outer.role == AxisRole::kM || outer.role == AxisRole::kBatch || outer.role == AxisRole::kK;
    if (outer.role != inner.role || !mergeable) continue;
    if (!walked_as_one(program, c, outer, inner)) continue;
    inner.extent = outer.extent * inner.extent;
    replace_by_zero(c, outer.var);
    c.axes.erase(c.axes.begin() + static_cast<std::ptrdiff_t>(i) - 1);
  }
}

}  // namespace dlc::passes
