// When kernels run.
#pragma once

#include "ir/kernel/kernel.h"
#include "passes/options.h"

namespace dlc::passes {

// Kernels that write nothing but outputs, and elsewhere at most a few elements or a small part of the
// temporaries that they read (partial sums), run as soon as what they read is there: temporaries are given
// back earlier and none is held longer. In a training step these are the updates of parameters and moments,
// each of which then follows its gradient, instead of all gradients waiting for the end of the backward pass.
// An output that is wanted in the place of an input (Options::in_place) stays behind every reader of that
// input. Kernels do not move across steps of other kinds, and only in the outermost region.
void order_steps(ir::Program& program, const Options& options);

}  // namespace dlc::passes
