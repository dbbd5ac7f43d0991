// Which outputs of a program may be given the memory of an input.
#pragma once

#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// `wanted` holds for each output the number of an input, or -1. The result has -1 also where the output's
// first element could be written before the input's last is read: a caller that passes the same memory for
// the others gets what it would get with memory of their own. Only of outputs and inputs of equal type and
// static shape.
std::vector<int> in_place_outputs(const ir::Program& program, std::vector<int> wanted);

}  // namespace dlc::passes
