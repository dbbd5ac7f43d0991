// From the operator version that a model's opset selects to the newest.
#pragma once

#include "ir/graph.h"

namespace dlc::frontend {

using NodePosition = std::list<std::unique_ptr<ir::Node>>::const_iterator;

// Applies, in order, those steps of the operator of the node at `position` that lead beyond `since_version`,
// the version of the operator in effect. A step may replace the node; nodes of other operators that it makes
// are in the newest form. Returns the node of the same operator that remains, or null.
ir::Node* upgrade_node(ir::Graph& graph, NodePosition position, int since_version);

}  // namespace dlc::frontend
