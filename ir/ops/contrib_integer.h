// Products of quantised matrices as numbers.
#pragma once

#include "ir/builder.h"

namespace dlc::ir {

struct ScaledProduct {
  Value* a = nullptr;
  Value* b = nullptr;
  Value* a_scale = nullptr;
  Value* b_scale = nullptr;  // one element, or one a column
  Value* a_zero = nullptr;   // null: 0
  Value* b_zero = nullptr;   // like b_scale; null: 0
  Value* bias = nullptr;     // one a column, or null
};
// a_scale * b_scale * ((a - a_zero) . (b - b_zero)) + bias, summed in integers.
Value* scaled_product(Builder& builder, const ScaledProduct& product);

}  // namespace dlc::ir
