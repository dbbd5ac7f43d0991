#include "passes/schedule/panels.h"

#include <algorithm>
#include <cstring>

#include "ir/kernel/lower.h"

namespace dlc::passes {

using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;
using ir::ExprOp;
using ir::VarId;

namespace {

// Copies along the axes from `batch` on; offsets are in elements.
class Packer {
 public:
  Packer(const Tensor& constant, Tensor& packed, const ConstantWalk& walk, const PanelLayout& layout)
      : from_(static_cast<const char*>(constant.data())),
        to_(static_cast<char*>(packed.mutable_data())),
        size_(byte_size(constant.dtype(), 1)),
        walk_(walk),
        layout_(layout) {}

  void run() { batch(0, walk_.start); }

 private:
  int64_t step(const ContractionAxis& axis) const { return walk_.step.at(axis.var); }

  void batch(size_t axis, int64_t source) {
    if (axis < layout_.batch.size()) {
      const ContractionAxis& outer = layout_.batch[axis];
      for (int64_t i = 0; i < outer.extent.value(); ++i) batch(axis + 1, source + i * step(outer));
      return;
    }
    const int64_t columns = layout_.n.extent.value();
    for (int64_t first = 0; first < columns; first += kPanelColumns) {
      window(0, source + first * step(layout_.n), std::min(kPanelColumns, columns - first));
    }
  }

  void window(size_t axis, int64_t source, int64_t columns) {
    if (axis < layout_.windows.size()) {
      const ContractionAxis& tap = layout_.windows[axis];
      for (int64_t i = 0; i < tap.extent.value(); ++i) window(axis + 1, source + i * step(tap), columns);
      return;
    }
    const int64_t depth = layout_.k.extent.value(), group = layout_.group;
    for (int64_t k = 0; k < depth; k += group) {
      for (int64_t j = 0; j < columns; ++j) {
        for (int64_t i = 0; i < std::min(group, depth - k); ++i) {
          const int64_t at = source + j * step(layout_.n) + (k + i) * step(layout_.k);
          std::memcpy(to_ + (j * group + i) * size_, from_ + at * size_, static_cast<size_t>(size_));
        }
      }
      to_ += kPanelColumns * group * size_;
    }
  }

  const char* from_;
  char* to_;
  int64_t size_;  // of an element
  const ConstantWalk& walk_;
  const PanelLayout& layout_;
};

bool is_multiple(const Dim& extent, int64_t of) { return extent.is_constant() && extent.value() % of == 0; }

}  // namespace

PanelLayout panel_layout(const ir::Contraction& c, const GemmForm& form, int64_t group) {
  PanelLayout layout{{}, form.n, form.windows, form.k, group, {}};
  for (const ContractionAxis& axis : form.batch) {
    const bool used = std::any_of(c.b.index.begin(), c.b.index.end(),
                                  [&](const Expr& e) { return ir::uses_var(e, axis.var); });
    if (used) layout.batch.push_back(axis);
  }
  for (const ContractionAxis& axis : layout.batch) layout.shape.push_back(axis.extent);
  layout.shape.push_back(ir::ceil_div(form.n.extent, Dim(kPanelColumns)));
  for (const ContractionAxis& axis : layout.windows) layout.shape.push_back(axis.extent);
  layout.shape.push_back(ir::ceil_div(form.k.extent, Dim(group)));
  layout.shape.push_back(Dim(kPanelColumns));
  if (group > 1) layout.shape.push_back(Dim(group));
  return layout;
}

std::vector<Expr> packed_index(const PanelLayout& layout) {
  std::vector<Expr> index;
  const Expr n = ir::var(layout.n.var), k = ir::var(layout.k.var);
  const Expr columns = ir::integer(kPanelColumns), group = ir::integer(layout.group);
  for (const ContractionAxis& axis : layout.batch) index.push_back(ir::var(axis.var));
  index.push_back(ir::binary(ExprOp::kFloorDiv, n, columns));
  for (const ContractionAxis& axis : layout.windows) index.push_back(ir::var(axis.var));
  index.push_back(layout.group > 1 ? ir::binary(ExprOp::kFloorDiv, k, group) : k);
  index.push_back(ir::binary(ExprOp::kMod, n, columns));
  if (layout.group > 1) index.push_back(ir::binary(ExprOp::kMod, k, group));
  return index;
}

Tensor pack_constant(const Tensor& constant, const ConstantWalk& walk, const PanelLayout& layout) {
  Tensor packed(constant.dtype(), ir::static_shape(layout.shape));
  Packer(constant, packed, walk, layout).run();
  return packed;
}

ir::Kernel pack_kernel(ir::Program& program, const ir::Contraction& c, const PanelLayout& layout,
                       ir::BufferId packed, const std::function<Expr(const Expr&)>& element) {
  std::map<VarId, Expr> renamed;
  std::vector<VarId> vars;
  std::vector<Expr> index;
  auto loop_var = [&] {
    vars.push_back(program.fresh_var());
    index.push_back(ir::var(vars.back()));
    return index.back();
  };
  for (const ContractionAxis& axis : layout.batch) renamed[axis.var] = loop_var();
  const Expr panel = loop_var();
  for (const ContractionAxis& axis : layout.windows) renamed[axis.var] = loop_var();
  Expr k = loop_var();
  const Expr n = panel * ir::integer(kPanelColumns) + loop_var();
  if (layout.group > 1) k = k * ir::integer(layout.group) + loop_var();
  renamed[layout.n.var] = n;
  renamed[layout.k.var] = k;

  std::vector<Expr> source;
  for (const Expr& e : c.b.index) {
    source.push_back(ir::substitute(e, [&](VarId v) {
      auto it = renamed.find(v);
      return it == renamed.end() ? Expr() : it->second;
    }));
  }
  Expr value = element(ir::load(c.b.buffer, program.buffer(c.b.buffer).dtype, source));
  Expr inside;
  if (!is_multiple(layout.n.extent, kPanelColumns)) inside = n < ir::dim(layout.n.extent);
  if (layout.group > 1 && !is_multiple(layout.k.extent, layout.group)) {
    const Expr in_depth = k < ir::dim(layout.k.extent);
    inside = inside ? inside && in_depth : in_depth;
  }
  if (inside) value = ir::select(inside, value, ir::constant(value.type(), 0));
  ir::Block body = ir::nest(vars, layout.shape, vars.size(), {ir::store(packed, index, value)});
  return ir::Kernel{"pack", "", ir::LoopNest{std::move(body)}};
}

}  // namespace dlc::passes
