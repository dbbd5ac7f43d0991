// Records of the movement family that have a file of their own.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

OpDef slice_record();
OpDef pad_record();
OpDef center_crop_pad_record();

}  // namespace dlc::ir
