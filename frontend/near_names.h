// Suggestions for a name that nothing has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dlc::frontend {

// The candidates that differ least from `name` (letter case counts little), best first, at most three.
std::vector<std::string> near_names(std::string_view name, const std::vector<std::string>& candidates);

// "; did you mean 'Conv' or 'ConvTranspose'?", or nothing.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace dlc::frontend
