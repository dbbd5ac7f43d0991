// Outputs in the memory of inputs.
#pragma once

#include <span>
#include <vector>

#include "ir/kernel/kernel.h"
#include "passes/options.h"

namespace dlc::passes {

// Of pairs of the same type, those whose output a caller may give the memory of the input: every element of
// the output is written after the last use of all that it overwrites. That holds where one kernel computes
// the output element by element, from the element of the input at the same place, and every other kernel that
// reads the input runs before; kernels are moved behind such readers where nothing stands in the way. Runs on
// a program whose kernels have their schedules.
std::vector<Reuse> reuse_inputs(ir::Program& program, std::span<const Reuse> wanted);

}  // namespace dlc::passes
