#pragma once

#include "ir/kernel/kernel.h"
#include "passes/options.h"

namespace dlc::passes {

// Decides how every kernel runs.
// Requires: storage orders are decided, kernels are fused. Guarantees: every contraction is a LoopNest or has
// an algorithm and a B that is stored as that wants it; every LoopNest has its loops ordered and marked.
// Indices may exceed the extent of their axis afterwards where loops were merged, so bounds are not verified
// any more. In reference mode contractions become loops with double accumulation.
void choose_schedules(ir::Program& program, const Options& options);

}  // namespace dlc::passes
