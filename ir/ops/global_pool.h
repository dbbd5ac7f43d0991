// Pools over all spatial axes, a part of the pool family.
#pragma once

#include "ir/kernel/expr.h"
#include "ir/op.h"

namespace dlc::ir {

void register_global_pool(OpRegistry& registry);

// |x|^p, and the p-th root of the sum of such terms.
Expr norm_term(const Expr& x, int64_t p);
Expr norm_root(const Expr& sum, int64_t p);

}  // namespace dlc::ir
