// The parts of the normalization family that have files of their own.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

void register_batch_normalization(OpRegistry& registry);  // batch_normalization.cpp
void register_lrn(OpRegistry& registry);                  // lrn.cpp

}  // namespace dlc::ir
