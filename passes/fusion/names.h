// Names of merged kernels.
#pragma once

#include <string>

namespace dlc::passes {

// "conv+add+relu"; a long name keeps its begin and is marked as going on.
inline std::string merged_name(const std::string& first, const std::string& second) {
  constexpr size_t kLongest = 48;
  if (first.ends_with("+...")) return first;
  return first.size() + second.size() < kLongest ? first + "+" + second : first + "+...";
}

}  // namespace dlc::passes
