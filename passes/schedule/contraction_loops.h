// A contraction as plain loops.
#pragma once

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// Makes the summed axis along which A is contiguous the last one, and stores a constant B so that it is
// contiguous along it too: the innermost loop then is a sum over two runs of memory.
void sum_along_runs(ir::Program& program, ir::Contraction& contraction);

// Loops over batch, M and N axes (independent), inside of them over the summed axes with windows clamped to
// what lies inside of a padded A. The sum is in the accumulator's type and in the order of the axes.
ir::LoopNest contraction_to_loops(const ir::Program& program, const ir::Contraction& contraction);

}  // namespace dlc::passes
