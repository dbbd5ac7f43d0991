#pragma once

#include "passes/fusion/kernel_uses.h"

namespace dlc::passes {

// If the kernel of entry `producer` is element-wise and makes a private buffer, and all readers of that
// buffer stand in the same region and would do well to compute its elements themselves, they do. Returns
// whether that happened; `producer` is dead then.
bool inline_map(ir::Program& program, KernelUses& uses, size_t producer);

}  // namespace dlc::passes
