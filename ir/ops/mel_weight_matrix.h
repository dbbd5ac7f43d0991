#pragma once

#include "ir/op.h"

namespace dlc::ir {

OpDef mel_weight_matrix_record();

}  // namespace dlc::ir
