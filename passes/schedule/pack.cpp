#include "passes/schedule/pack.h"

#include <cstring>

#include "ir/kernel/lower.h"
#include "passes/schedule/access.h"
#include "passes/schedule/constant_walk.h"

namespace dlc::passes {

using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;
using ir::ExprOp;
using ir::VarId;

namespace {

// The axes of packed B from outermost to innermost, with the panel and the column in it in place of n.
struct Layout {
  std::vector<ContractionAxis> batch;
  std::vector<ContractionAxis> depth;  // windows, then k
  Dim panels;
  ir::Shape shape;
};

Layout packed_layout(const ir::Contraction& c, const GemmForm& form) {
  Layout layout;
  for (const ContractionAxis& axis : form.batch) {
    const bool used = std::any_of(c.b.index.begin(), c.b.index.end(),
                                  [&](const Expr& e) { return ir::uses_var(e, axis.var); });
    if (used) layout.batch.push_back(axis);
  }
  layout.depth = form.windows;
  layout.depth.push_back(form.k);
  layout.panels = ir::ceil_div(form.n.extent, Dim(kPanelColumns));
  for (const ContractionAxis& axis : layout.batch) layout.shape.push_back(axis.extent);
  layout.shape.push_back(layout.panels);
  for (const ContractionAxis& axis : layout.depth) layout.shape.push_back(axis.extent);
  layout.shape.push_back(Dim(kPanelColumns));
  return layout;
}

// Index of packed B in terms of the contraction's variables.
std::vector<Expr> packed_index(const Layout& layout, const GemmForm& form) {
  std::vector<Expr> index;
  const Expr n = ir::var(form.n.var);
  for (const ContractionAxis& axis : layout.batch) index.push_back(ir::var(axis.var));
  index.push_back(ir::binary(ExprOp::kFloorDiv, n, ir::integer(kPanelColumns)));
  for (const ContractionAxis& axis : layout.depth) index.push_back(ir::var(axis.var));
  index.push_back(ir::binary(ExprOp::kMod, n, ir::integer(kPanelColumns)));
  return index;
}

// Copies along the axes from `depth` on; offsets are in elements.
struct Packer {
  const char* from;
  char* to;
  int64_t size;  // of an element
  std::vector<int64_t> extents;
  std::vector<int64_t> steps;
  int64_t columns;  // N
  size_t panel_axis;

  void copy(size_t axis, int64_t source, int64_t first_column) {
    if (axis + 1 == extents.size()) {
      const int64_t count = std::min(kPanelColumns, columns - first_column);
      for (int64_t j = 0; j < count; ++j) {
        std::memcpy(to + j * size, from + (source + j * steps[axis]) * size, static_cast<size_t>(size));
      }
      to += kPanelColumns * size;
      return;
    }
    for (int64_t i = 0; i < extents[axis]; ++i) {
      copy(axis + 1, source + i * steps[axis], axis == panel_axis ? i * kPanelColumns : first_column);
    }
  }
};

Tensor pack_constant(const Tensor& constant, const ConstantWalk& walk, const Layout& layout,
                     const GemmForm& form) {
  Tensor packed(constant.dtype(), ir::static_shape(layout.shape));
  Packer packer{static_cast<const char*>(constant.data()),
                static_cast<char*>(packed.mutable_data()),
                byte_size(constant.dtype(), 1),
                ir::static_shape(layout.shape),
                {},
                form.n.extent.value(),
                layout.batch.size()};
  for (const ContractionAxis& axis : layout.batch) packer.steps.push_back(walk.step.at(axis.var));
  packer.steps.push_back(walk.step.at(form.n.var) * kPanelColumns);
  for (const ContractionAxis& axis : layout.depth) packer.steps.push_back(walk.step.at(axis.var));
  packer.steps.push_back(walk.step.at(form.n.var));
  packer.copy(0, walk.start, 0);
  return packed;
}

// The packing kernel of a B that is known only at run time.
ir::Kernel pack_kernel(ir::Program& program, const ir::Contraction& c, const Layout& layout,
                       const GemmForm& form, ir::BufferId packed) {
  std::map<VarId, Expr> renamed;
  std::vector<VarId> vars;
  std::vector<Expr> index;
  auto loop_var = [&](VarId original) {
    vars.push_back(program.fresh_var());
    index.push_back(ir::var(vars.back()));
    if (original != VarId::kNone) renamed[original] = index.back();
    return index.back();
  };
  for (const ContractionAxis& axis : layout.batch) loop_var(axis.var);
  const Expr panel = loop_var(VarId::kNone);
  for (const ContractionAxis& axis : layout.depth) loop_var(axis.var);
  const Expr column = loop_var(VarId::kNone);
  const Expr n = panel * ir::integer(kPanelColumns) + column;
  renamed[form.n.var] = n;

  std::vector<Expr> source;
  for (const Expr& e : c.b.index) {
    source.push_back(ir::substitute(e, [&](VarId v) {
      auto it = renamed.find(v);
      return it == renamed.end() ? Expr() : it->second;
    }));
  }
  const DType type = program.buffer(c.b.buffer).dtype;
  Expr value = ir::load(c.b.buffer, type, source);
  const bool whole = form.n.extent.is_constant() && form.n.extent.value() % kPanelColumns == 0;
  if (!whole) value = ir::select(n < ir::dim(form.n.extent), value, ir::constant(type, 0));
  ir::Block body = ir::nest(vars, layout.shape, vars.size(), {ir::store(packed, index, value)});
  return ir::Kernel{"pack", "", ir::LoopNest{std::move(body)}};
}

}  // namespace

std::optional<ir::Kernel> pack_operand(ir::Program& program, ir::Contraction& c, const GemmForm& form) {
  const Layout layout = packed_layout(c, form);
  const ir::BufferId root = ir::root_of(program, c.b.buffer);
  const ir::Buffer source = program.buffer(root);
  std::optional<ConstantWalk> walk;
  if (ir::is_static(layout.shape)) walk = constant_walk(program, c);
  ir::Buffer buffer;
  buffer.name = program.buffer(c.b.buffer).name + ".packed";
  buffer.dtype = source.dtype;
  buffer.shape = layout.shape;
  if (walk) {
    buffer.kind = ir::BufferKind::kConstant;
    buffer.constant = pack_constant(source.constant, *walk, layout, form);
  }
  const ir::BufferId packed = program.add_buffer(std::move(buffer));
  std::optional<ir::Kernel> kernel;
  if (!walk) kernel = pack_kernel(program, c, layout, form, packed);
  c.b.buffer = packed;
  c.b.index = packed_index(layout, form);
  c.schedule.algorithm = ir::Algorithm::kGemm;
  c.schedule.panel = static_cast<int>(kPanelColumns);
  c.schedule.b_packed = true;
  return kernel;
}

}  // namespace dlc::passes
