// ConvTranspose, a part of the conv family.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

void register_conv_transpose(OpRegistry& registry);

}  // namespace dlc::ir
