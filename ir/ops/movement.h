// Records of the movement family that have a file of their own.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

// The axes that a Pad node pads, in the order of its pads. Requires that they are known.
std::vector<size_t> padded_axes(const Node& node);

OpDef slice_record();
OpDef pad_record();
OpDef center_crop_pad_record();

}  // namespace dlc::ir
