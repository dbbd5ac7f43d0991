#include "passes/schedule/pack.h"

#include "passes/schedule/panels.h"

namespace dlc::passes {

bool is_pair_product(const ir::Program& program, const ir::Contraction& c) {
  auto is_narrow = [&](const ir::Operand& operand) {
    return program.buffer(operand.buffer).dtype == DType::kBfloat16 && !operand.zero_point;
  };
  return c.accumulator_type == DType::kFloat && !c.has_parts() && is_narrow(c.a) && is_narrow(c.b);
}

std::vector<ir::Kernel> pack_operand(ir::Program& program, ir::Contraction& c, const GemmForm& form) {
  const int group = is_pair_product(program, c) ? 2 : 1;
  const PanelLayout layout = panel_layout(c, form, group);
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
  c.schedule.group = group;
  return kernels;
}

}  // namespace dlc::passes
