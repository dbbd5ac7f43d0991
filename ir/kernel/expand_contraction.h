// What a contraction means, as loops.
#pragma once

#include "ir/kernel/kernel.h"

namespace dlc::ir {

// The loop nest that computes the contraction naively: parallel loops over the output axes in their order, an
// accumulator, serial loops over the summed axes, a store of the epilogue.
LoopNest expand_contraction(const Contraction& contraction, const Program& program);

// The value that one operand contributes: widened to the accumulator's type, less the zero point, zero where
// a padded index leaves the buffer.
Expr operand_value(const Operand& operand, const Contraction& contraction, const Program& program);

// A byte of A as a contraction of groups reads it: int8 is shifted up by 128.
Expr unsigned_byte(const Expr& byte);

// The value that is stored; the accumulator converted to the output's type where there is no epilogue.
Expr epilogue_value(const Contraction& contraction, const Program& program);

bool is_summed(AxisRole role);  // kK and kWindow

}  // namespace dlc::ir
