// Records of the image family that have a file of their own.
#pragma once

#include <vector>

#include "ir/op.h"

namespace dlc::ir {

std::vector<OpDef> resize_records();  // Resize, Upsample

}  // namespace dlc::ir
