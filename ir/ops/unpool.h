// MaxUnpool, a part of the pool family.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

void register_max_unpool(OpRegistry& registry);

}  // namespace dlc::ir
