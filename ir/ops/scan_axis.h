// The part of the reduce family that walks along one axis: ArgMax, ArgMin, CumSum, CumProd.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

void register_scan_axis(OpRegistry& registry);

}  // namespace dlc::ir
