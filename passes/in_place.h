// Which buffers of a program may be given the memory of others that end where they begin.
#pragma once

#include <vector>

#include "ir/kernel/kernel.h"
#include "passes/liveness.h"

namespace dlc::passes {

// `wanted` holds for each output the number of an input, or -1. The result has -1 also where the output's
// first element could be written before the input's last is read: a caller that passes the same memory for
// the others gets what it would get with memory of their own. Only of outputs and inputs of equal type and
// static shape.
std::vector<int> in_place_outputs(const ir::Program& program, std::vector<int> wanted);

// Temporaries that take the place of another one of equal size: the kernel that makes them is the last that
// reads the other, and does so element by element. Gives for each buffer the first one of its memory, itself
// for most; the ranges of these become those of all that share it. `ranges` are those of live_ranges().
std::vector<ir::BufferId> shared_temporaries(const ir::Program& program, std::vector<LiveRange>& ranges);

}  // namespace dlc::passes
