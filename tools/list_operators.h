// What dlc knows of operators.
#pragma once

#include <string>

namespace dlc::tools {

// A line an operator: domain, name, and which parts its record has.
std::string format_operators();

}  // namespace dlc::tools
