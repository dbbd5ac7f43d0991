// Records of the indexing family that have a file of their own, and what they share.
#pragma once

#include <vector>

#include "ir/kernel/lower.h"
#include "ir/op.h"

namespace dlc::ir {

std::vector<OpDef> scatter_records();    // ScatterElements, ScatterND, Scatter, TensorScatter
std::vector<OpDef> selection_records();  // Compress, NonZero, TopK, Unique

// Input 1 of the node holds index tuples in its last axis, into the axes of input 0 from `first` on. The
// positions that a tuple means, within their axes.
std::vector<Expr> tuple_positions(LowerContext& context, const Index& tuple, size_t first);
// Fails the run where a tuple is outside of input 0.
void check_index_tuples(LowerContext& context, size_t first);

}  // namespace dlc::ir
