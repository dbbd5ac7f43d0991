// The parts of the elementwise family, one a file.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

void register_elementwise_unary(OpRegistry& registry);       // elementwise_unary.cpp
void register_elementwise_arithmetic(OpRegistry& registry);  // elementwise_arithmetic.cpp
void register_elementwise_logic(OpRegistry& registry);       // elementwise_logic.cpp
void register_elementwise_select(OpRegistry& registry);      // elementwise_select.cpp
void register_cast(OpRegistry& registry);                    // cast.cpp

}  // namespace dlc::ir
