// Which kernel every operator got.
#pragma once

#include <string>
#include <vector>

#include "codegen/kernel_choice.h"
#include "codegen/target.h"
#include "ir/kernel/kernel.h"

namespace dlc::codegen {

// Of every kernel of a scheduled program, in order of evaluation.
std::vector<KernelChoice> explain(const ir::Program& program, const Target& target);

}  // namespace dlc::codegen
