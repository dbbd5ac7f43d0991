// Packing of the B operand of a matrix product into panels.
#pragma once

#include <vector>

#include "passes/schedule/gemm_form.h"

namespace dlc::passes {

// Whether both operands are of bfloat16 and summed in float, so that two elements along K make one step.
bool is_pair_product(const ir::Program& program, const ir::Contraction& contraction);

// Replaces B by a buffer [batch axes that B has..., ceil(N / 16), windows..., K, 16] whose columns beyond N
// are zero ([..., ceil(K / 2), 16, 2] with zeros beyond K for a product of pairs), and marks the contraction
// kGemm. A constant B is packed here and now; for others the returned kernel does it at run time and goes
// before the contraction.
std::vector<ir::Kernel> pack_operand(ir::Program& program, ir::Contraction& contraction,
                                     const GemmForm& form);

}  // namespace dlc::passes
