#pragma once

#include "ir/kernel/kernel.h"
#include "passes/options.h"

namespace dlc::passes {

// Merges element-wise kernels with their neighbours, so that a value between two kernels needs no memory.
//
// * Sinking: an element-wise kernel that is the only reader of what another kernel stores once per element
// moves
//   into that kernel's store: the epilogue of a contraction, the last pass of a normalisation.
// * Inlining: loads of what an element-wise kernel makes become its expression in all readers: chains of
// element-wise
//   kernels, terms of reductions, residuals of epilogues. An element that would be computed more than once
//   must be cheap. A contraction's operand takes over copies only.
//
// A merged kernel stands where the last of its parts stood. Requires: loops are not scheduled, storage is not
// decided. Values keep their rounding; nothing is reassociated.
void fuse_kernels(ir::Program& program, const Options& options);

// Lets the producer of a temporary write to where a copy kernel would put it: parts of a concatenation become
// slices of one buffer, transpositions happen in the store. The temporary becomes a view of the copy's
// target.
void elide_copies(ir::Program& program, const Options& options);

}  // namespace dlc::passes
