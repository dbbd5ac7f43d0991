// Operators that are linear in constant weights (convolutions, matrix products), and what may be folded into
// these.
#pragma once

#include "ir/builder.h"
#include "ir/graph.h"

namespace dlc::passes {

// Rules at Mul and Div: a constant factor per output channel goes into the weights and the bias.
bool fold_scale(ir::Builder& builder, ir::Node& node);
// Rules at Add and Sub: a constant per output channel goes into the bias.
bool fold_shift(ir::Builder& builder, ir::Node& node);
// Rule at Conv: a constant factor per input channel goes into the weights; zeros of the padding stay zeros.
bool fold_input_scale(ir::Builder& builder, ir::Node& node);

}  // namespace dlc::passes
