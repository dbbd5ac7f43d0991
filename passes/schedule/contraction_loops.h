// A contraction as plain loops.
#pragma once

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// Loops over batch, M and N axes (independent), inside of them over the summed axes with windows clamped to
// what lies inside of a padded A. The sum is in the accumulator's type and in the order of the axes.
ir::LoopNest contraction_to_loops(const ir::Program& program, const ir::Contraction& contraction);

}  // namespace dlc::passes
