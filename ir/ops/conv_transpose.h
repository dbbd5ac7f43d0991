// ConvTranspose, a part of the conv family.
#pragma once

#include <vector>

#include "ir/op.h"

namespace dlc::ir {

void register_conv_transpose(OpRegistry& registry);

// One spatial axis: output coordinate o and tap t take input coordinate (o + pad_begin - t * dilation) /
// stride, where that is whole and inside.
struct TransposedAxis {
  Dim input = {};
  Dim kernel = {};
  int64_t stride = 1;
  int64_t dilation = 1;
  Dim pad_begin = {};
  Dim output = {};
};

// Of a valid ConvTranspose or dlc.ConvInputGradient.
std::vector<TransposedAxis> transposed_axes(const Node& node);

}  // namespace dlc::ir
