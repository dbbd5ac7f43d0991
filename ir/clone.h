// Copies of graphs and of parts of them.
#pragma once

#include <span>

#include "ir/graph.h"

namespace dlc::ir {

// The same graph with the same names; constants share their storage.
std::unique_ptr<Graph> clone(const Graph& graph);

// Copies the nodes of `body` into `target` before `before` (null: at the end), with `inputs` in the places of
// the inputs of `body` and captured values as they are. Returns the values that stand for the outputs of
// `body`.
std::vector<Value*> inline_body(const Graph& body, Graph& target, Node* before,
                                std::span<Value* const> inputs);

}  // namespace dlc::ir
