// Structural equality and hashes of graphs, attributes and tensors.
#pragma once

#include "ir/graph.h"

namespace dlc::ir {

// The graphs compute the same by the same operators: equal inputs and outputs in order, equal operators,
// attributes, types and constants, whatever the names of values and nodes and the order of independent nodes
// are. Names of outputs and of symbols count; nodes that no output depends on do not. If they differ and
// `difference` is given, it tells where.
bool equal(const Graph& a, const Graph& b, std::string* difference = nullptr);

// Sub-graphs are equal when they are so with the same captured values.
bool equal(const Attribute& a, const Attribute& b);
bool equal(const Attributes& a, const Attributes& b);

// Equal attributes have equal hashes. Sub-graphs count by their sizes only.
size_t hash(const Attributes& attributes);
// Of type, shape and bytes.
uint64_t hash(const Tensor& tensor);

}  // namespace dlc::ir
