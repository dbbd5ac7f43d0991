// Adjoint operators of pooling, a part of the pool family.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

void register_pool_gradient(OpRegistry& registry);

}  // namespace dlc::ir
