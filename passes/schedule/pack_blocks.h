// Products with weights in blocks that have scales of their own: integers of 4 or 8 bits that stay packed.
#pragma once

#include "passes/schedule/gemm_form.h"

namespace dlc::passes {

// Whether the product has parts, each a run along K of a constant B of uint4 or uint8, and A is of int8 with
// sums in int32 or of a float type with sums in float.
bool is_block_product(const ir::Program& program, const ir::Contraction& contraction, const GemmForm& form);

// Replaces B by the same elements in the order [ceil(N / 16), parts, ceil(K / (span * halves)), 16, span,
// halves], with zeros beyond N, and marks the contraction kGemm in groups of `span`: 4 elements along K for
// bytes of A, 1 for floats. There are two halves of a byte where B is of uint4, so that the elements of a
// step along K lie in the lower halves of a run of bytes and those of the next step in the upper ones.
void pack_blocks(ir::Program& program, ir::Contraction& contraction, const GemmForm& form);

}  // namespace dlc::passes
