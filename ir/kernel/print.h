// Pieces of the text form, shared by its printers.
#pragma once

#include <string>

#include "ir/kernel/kernel.h"
#include "ir/kernel/scalar.h"

namespace dlc::ir {

std::string quoted(std::string_view text);
std::string number_text(DType type, Scalar value);  // without a type: "3", "0.5", "inf", "true"
std::string dim_text(const Dim& dim);               // a number, or in braces
std::string buffer_text(BufferId id);               // "%3", "none"
std::string var_text(VarId id);                     // "v3"
std::string index_text(BufferId buffer, const std::vector<Expr>& index);  // "%3[v0, 1]"
std::string constant_text(const Tensor& tensor);                          // "{1, 2}" or "#1f..."

}  // namespace dlc::ir
