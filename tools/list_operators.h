// The operators that dlc knows, as text.
#pragma once

#include <string>

namespace dlc::tools {

// docs/operators.md: one table a domain.
std::string format_operators();

}  // namespace dlc::tools
