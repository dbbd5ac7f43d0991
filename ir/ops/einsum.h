// Einsum, a part of the matmul family.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

void register_einsum(OpRegistry& registry);

}  // namespace dlc::ir
