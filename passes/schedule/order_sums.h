// The order of the loops of a sum.
#pragma once

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// Loops directly around each other that do nothing but combine numbers into accumulators (sums, maxima) run
// in any order. They are put in that of memory, innermost the smallest stride, and neighbours that every
// access walks as one become one loop, which is then long enough for vectors (the sum of a whole tensor is
// one loop over its elements). Requires that the storage order of all buffers is decided. A sum that is read
// while it is made, in a running sum, keeps its order.
void order_sums(const ir::Program& program, ir::Block& block);

}  // namespace dlc::passes
