// Copies of graphs and of parts of them.
#pragma once

#include <functional>
#include <span>
#include <unordered_map>

#include "ir/graph.h"

namespace dlc::ir {

// The same graph with the same names; constants share their storage.
std::unique_ptr<Graph> clone(const Graph& graph);

// Copies the nodes of `body` into `target` before `before` (null: at the end), with `inputs` in the places of
// the inputs of `body` and captured values as they are. Returns the values that stand for the outputs of
// `body`.
std::vector<Value*> inline_body(const Graph& body, Graph& target, Node* before,
                                std::span<Value* const> inputs);

// Copies nodes of one graph, in order, to the end of `target`. `values` says what stands for the values that
// they read, others stand for themselves, and receives the results. Types are copied, not inferred. `copied`
// is told every pair of nodes, those of sub-graphs included.
using ValueMap = std::unordered_map<const Value*, Value*>;
void copy_nodes(std::span<Node* const> nodes, Graph& target, ValueMap& values,
                const std::function<void(const Node& from, Node& to)>& copied);

}  // namespace dlc::ir
