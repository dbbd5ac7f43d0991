// The operator that runs one of two sub-graphs, for those that resolve it before it runs.
#pragma once

#include <string>

#include "ir/graph.h"

namespace dlc::ir {

bool is_branch(const Node& node);
bool is_condition_known(const Node& branch);  // before the run
// The sub-graph that runs where the condition is true (false).
Graph& branch_of(const Node& node, bool condition);
// The one that is known to run, if any.
Graph* known_branch(const Node& node);
// Whether some output has ranks that differ between the sub-graphs, whose types are inferred: no type holds
// both.
bool ranks_differ(const Node& node);

// Puts the nodes of one of the sub-graphs in the place of the node, whose outputs are then without use.
void take_branch(Node& node, bool condition);
// The same, and fails the run with `reason` where the condition selects the other one.
void require_branch(Node& node, bool condition, const std::string& reason);
// Takes all branches that are known to run, in sub-graphs too.
void take_known_branches(Graph& graph);

}  // namespace dlc::ir
