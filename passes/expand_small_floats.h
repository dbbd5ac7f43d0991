#pragma once

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// What the target converts from and to float32 by itself.
struct FloatConversions {
  bool float16 = false;
};

// Leaves of the floats narrower than 32 bits only what every target has: loads, stores, constants, selections
// and bit patterns, and float16 to and from float32 where the target converts it. Other conversions become
// integer arithmetic on the bits, rounded once as ExprOp::kCast says, so that they vectorise and need no
// library; other operations become operations on float32.
void expand_small_floats(ir::Program& program, const FloatConversions& native);

// One expression; public for its tests.
ir::Expr expand_small_floats(const ir::Expr& e, const FloatConversions& native);

}  // namespace dlc::passes
