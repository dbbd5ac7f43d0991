// Cutting a graph down to a part of it.
#pragma once

#include <functional>

#include "ir/graph.h"

namespace dlc::ir {

// Erases the nodes of the graph for which `is_bad` holds and all nodes that depend on them, also by what
// their sub-graphs read. Results of what is left that nothing uses become the graph's outputs, so that no
// node is dead.
void erase_with_dependents(Graph& graph, const std::function<bool(const Node&)>& is_bad);

// Calls f with every value that the node and the nodes of its sub-graphs read.
void for_each_read(const Node& node, const std::function<void(const Value&)>& f);

}  // namespace dlc::ir
