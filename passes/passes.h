// The passes on graphs. Each leaves a graph that verifies and is idempotent. Passes on programs have headers
// of their own beside their sources.
#pragma once

#include "ir/graph.h"
#include "passes/pass_manager.h"

namespace dlc::passes {

// Erases nodes without effect and merges nodes of one region that compute the same. Nondeterministic
// operators are neither merged nor taken for equal.
void eliminate(ir::Graph& graph, PassContext& context);

// Replaces values that are known by constants: nodes with constant inputs whose evaluation is cheap, and
// integer values that inference knows. Integer values known as functions of the extents of inputs become
// dlc.Dims, so that chains of Shape, Gather and Concat vanish.
void fold_constants(ir::Graph& graph, PassContext& context);

// Local algebra to a fixed point: identities, neutral operands, constants folded into weights, movement that
// cancels, branches that are known. Results change by rounding only.
void simplify(ir::Graph& graph, PassContext& context);

// Lets convolutions and matrix products of dequantised values run on the integers, with scales applied to
// their sums, and movement of such values move the integers. To go before constants are folded, which would
// make floats of quantised weights. Results change by rounding only: a value that is quantised again, by one
// step at most.
void raise_integers(ir::Graph& graph, PassContext& context);

// Finds operators that exporters have written as chains of simpler ones: LayerNormalization, Gelu, Swish,
// HardSwish, Mish. Results change by rounding only.
void raise_idioms(ir::Graph& graph, PassContext& context);

// Replaces operators by their definition in simpler ones, where they have no kernel or leave a form to their
// definition. Afterwards every operator has a lower(). Error(kUnsupported or kModel) naming a node that has
// neither.
void expand_composites(ir::Graph& graph, PassContext& context);

}  // namespace dlc::passes
