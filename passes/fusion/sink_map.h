#pragma once

#include "passes/fusion/kernel_uses.h"

namespace dlc::passes {

// If the kernel of entry `producer` stores each element of a private buffer once, and one element-wise kernel
// of the same region is the only reader, the latter's expression moves into the store and the merged kernel
// takes the reader's place. Returns whether that happened; `producer` is dead then.
bool sink_map(ir::Program& program, KernelUses& uses, size_t producer);

}  // namespace dlc::passes
