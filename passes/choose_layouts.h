#pragma once

#include "ir/kernel/kernel.h"
#include "passes/options.h"

namespace dlc::passes {

// Chooses the storage order of every temporary.
//
// A contraction wants its A contiguous along a summed axis and its output contiguous along an N axis: for a
// convolution that is channels-last. The wish of a buffer goes to the root behind its views and spreads to
// the buffers that element-wise and window kernels connect with it, so that chains between convolutions need
// no copies. Where a root cannot have the order (a border buffer, a constant, a view that needs row-major
// storage) a copy kernel is inserted at the contraction.
//
// Requires: kernels are fused, loops are not scheduled. Guarantees: every view has strides.
void choose_layouts(ir::Program& program, const Options& options);

}  // namespace dlc::passes
