#include "passes/fusion/fuse_kernels.h"

#include "passes/fusion/inline_map.h"
#include "passes/fusion/sink_map.h"

namespace dlc::passes {

namespace {

bool inline_maps(ir::Program& program, KernelUses& uses) {
  bool changed = false;
  for (size_t i = 0; i < uses.entries().size(); ++i) {
    if (!uses.entry(i).dead) changed |= inline_map(program, uses, i);
  }
  return changed;
}

// Whether the kernel is one that maps may sink into in this round.
using Filter = bool (*)(const ir::Kernel&);
bool is_contraction(const ir::Kernel& kernel) { return std::holds_alternative<ir::Contraction>(kernel.body); }
bool is_loop_nest(const ir::Kernel& kernel) { return std::holds_alternative<ir::LoopNest>(kernel.body); }

bool sink_maps(ir::Program& program, KernelUses& uses, Filter into) {
  bool changed = false;
  for (size_t i = 0; i < uses.entries().size(); ++i) {
    if (!uses.entry(i).dead && into(*uses.entry(i).kernel)) changed |= sink_map(program, uses, i);
  }
  return changed;
}

}  // namespace

void fuse_kernels(ir::Program& program, const Options&) {
  KernelUses uses(program);
  // Epilogues first: what stands between two contractions belongs to the first one rather than to a pool or
  // reduction that would compute it more than once.
  bool changed = true;
  while (changed) {
    changed = sink_maps(program, uses, is_contraction);
    changed |= inline_maps(program, uses);
    changed |= sink_maps(program, uses, is_loop_nest);
  }
  uses.sweep();
}

}  // namespace dlc::passes
