// Reverse-mode differentiation of a model.
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"

namespace dlc::passes {

// Makes the joint graph: extends `graph`, at its end, by nodes that compute the derivative of `loss` by each
// of `parameters`, and returns these values, which have the types of the parameters. Null stands for a
// parameter that the loss does not depend on, or only through functions that are constant by pieces.
//
// Requires types; `loss` is a floating-point tensor of one element, the parameters are floating-point inputs
// of the graph. Runs after idioms have been raised, so that a rule sees LayerNormalization and not its parts,
// and before anything is expanded or lowered, so that what the rules emit is fused and scheduled like the
// rest. Guarantees: integers and what no parameter reaches get no gradient; no zero is materialised; symbolic
// extents stay symbolic; operators without rule are replaced by their definitions where a gradient passes
// through them.
//
// Error(kModel) that lists every node which a gradient would have to pass and cannot, and what can be done.
std::vector<ir::Value*> differentiate(ir::Graph& graph, ir::Value* loss,
                                      std::span<ir::Value* const> parameters);

}  // namespace dlc::passes
