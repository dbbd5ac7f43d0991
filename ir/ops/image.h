// Records of the image family that have a file of their own.
#pragma once

#include <vector>

#include "ir/op.h"

namespace dlc::ir {

std::vector<OpDef> resize_records();       // Resize, Upsample
std::vector<OpDef> grid_sample_records();  // AffineGrid, GridSample
std::vector<OpDef> region_records();       // RoiAlign, MaxRoiPool, NonMaxSuppression
std::vector<OpDef> image_decoder_records();
std::vector<OpDef> deform_conv_records();  // DeformConv, dlc.DeformColumns
OpDef col2im_record();

}  // namespace dlc::ir
