// Gradient nodes of a model that has just been read.
#pragma once

#include "ir/graph.h"

namespace dlc::frontend {

// Puts the computation of the derivative in the place of every Gradient node, in sub-graphs too. Requires
// types. To run before anything else changes the graph: which tensors depend on which is part of the node's
// meaning. Error(kModel) naming the node.
void expand_gradients(ir::Graph& graph);

}  // namespace dlc::frontend
