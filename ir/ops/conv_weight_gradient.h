// dlc.ConvWeightGradient, a part of the conv family.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

void register_conv_weight_gradient(OpRegistry& registry);

}  // namespace dlc::ir
