// Products of integers of 8 bits as sums over groups of four.
#pragma once

#include <vector>

#include "passes/schedule/gemm_form.h"

namespace dlc::passes {

// Whether both operands are of 8 bits and summed in 32, with zero points that the epilogue can make up for.
bool is_byte_product(const ir::Program& program, const ir::Contraction& contraction);

// Replaces B by int8 elements [batch axes that B has..., ceil(N / 16), windows..., ceil(K / 4), 16, 4] with
// zeros beyond N and K, and marks the contraction kGemm with groups of four. With A', A as unsigned numbers,
// B', B as signed ones, and zero points a and b of these,
//
//   sum (A' - a) (B' - b) = sum A' B' - a * sum B' - b * sum A' + a * b * K
//
// and the epilogue adds the last three. The sums of B' are constants where B is, and a constant b is
// subtracted from constant weights where they stay in 8 bits, so that mostly the second term alone is left.
// What is not constant is made by the returned kernels, which go before the contraction.
std::vector<ir::Kernel> pack_bytes(ir::Program& program, ir::Contraction& contraction, const GemmForm& form);

}  // namespace dlc::passes
