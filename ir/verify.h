// The invariants of graphs, checked at the stages of the pipeline.
#pragma once

#include "ir/graph.h"

namespace dlc::ir {

enum class GraphStage : uint8_t {
  kImported,  // after the frontend and any graph pass
  kExpanded,  // after expand_composites: every operator has a lower()
};

// Error(kInternal) naming the first node or value at fault: every value is defined once and before its uses,
// in its graph or an enclosing one; use lists agree with the inputs; names are unique; types are set; every
// symbol of a type is known and bound by an input or by a node before it; what the stage asks for.
void verify(const Graph& graph, GraphStage stage);

}  // namespace dlc::ir
