#include "passes/schedule/pack.h"

#include "passes/schedule/panels.h"

namespace dlc::passes {

std::vector<ir::Kernel> pack_operand(ir::Program& program, ir::Contraction& c, const GemmForm& form) {
  const PanelLayout layout = panel_layout(c, form);
  const ir::Buffer source = program.buffer(ir::root_of(program, c.b.buffer));
  std::optional<ConstantWalk> walk;
  if (ir::is_static(layout.shape)) walk = constant_walk(program, c);
  ir::Buffer buffer;
  buffer.name = program.buffer(c.b.buffer).name + ".packed";
  buffer.dtype = source.dtype;
  buffer.shape = layout.shape;
  if (walk) {
    buffer.kind = ir::BufferKind::kConstant;
    buffer.constant = pack_constant(source.constant, *walk, layout);
  }
  const ir::BufferId packed = program.add_buffer(std::move(buffer));
  std::vector<ir::Kernel> kernels;
  if (!walk) kernels = {pack_kernel(program, c, layout, packed, [](const ir::Expr& e) { return e; })};
  c.b.buffer = packed;
  c.b.index = packed_index(layout);
  c.schedule.algorithm = ir::Algorithm::kGemm;
  c.schedule.panel = static_cast<int>(kPanelColumns);
  c.schedule.b_packed = true;
  return kernels;
}

}  // namespace dlc::passes
