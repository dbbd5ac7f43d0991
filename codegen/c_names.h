// Names and types in C headers.
#pragma once

#include <string>
#include <vector>

#include "runtime/dtype.h"

namespace dlc::codegen {

// C names for texts, all different.
std::vector<std::string> field_names(const std::vector<std::string>& texts);
std::string upper(std::string text);
// How C holds one element; types that C lacks are held as their bits.
const char* c_type(DType type);
// Text that cannot end a comment.
std::string comment_text(std::string text);

}  // namespace dlc::codegen
