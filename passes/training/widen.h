// Models in double precision.
#pragma once

#include "ir/graph.h"

namespace dlc::passes {

// All floating-point inputs, constants and intermediate values become f64; operators that choose a type
// (Cast, RandomNormal, ...) choose f64 where they chose a smaller float. Runs on a model as it was read.
// Error(kModel) naming a node that has no such form.
void widen(ir::Graph& model);

}  // namespace dlc::passes
