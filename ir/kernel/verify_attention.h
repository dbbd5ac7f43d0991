// What must hold of an attention kernel.
#pragma once

#include "ir/kernel/verify_expr.h"

namespace dlc::ir {

// Axes where they belong, affine indices, types of the expressions. Error(kInternal) otherwise.
void verify_attention(const Attention& attention, const Program& program, ExprVerifier& exprs);

}  // namespace dlc::ir
