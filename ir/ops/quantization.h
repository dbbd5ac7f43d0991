// The parts of the quantised family, one a file.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

void register_quantize_linear(OpRegistry& registry);     // quantize_linear.cpp
void register_quantized_products(OpRegistry& registry);  // quantized_products.cpp

}  // namespace dlc::ir
