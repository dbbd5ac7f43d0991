// The schedule of loop nests: order, collapse, vector loop, parallel loops.
#pragma once

#include <string>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// Requires that the storage order of all buffers is decided.
// * The independent outer loops are ordered by the stride of the store, innermost the smallest.
// * One loop is made kVector: the independent loop along which the kernel's accesses are contiguous, or the
// inner
//   loops (rows of a softmax, reductions) where that is cheaper.
// * Neighbouring loops that every access walks as one are merged (indices then exceed the extent of their
// axis; the
//   addresses are the same).
// * Loops stay kParallel from the outside until there are enough tasks; a lone vector loop is cut into
// chunks. The
//   partition depends on extents only, never on the number of threads.
// * Loops of sums run in the order of memory (order_sums.h), and long sums are split (long_sums.h).
// Returns why no loop is kVector; empty where one is.
std::string schedule_loop_nest(const ir::Program& program, ir::LoopNest& nest, ir::Program& variables);

}  // namespace dlc::passes
