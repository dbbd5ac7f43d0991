// Which kernel an operator got, for people.
#pragma once

#include <string>

namespace dlc::codegen {

struct KernelChoice {
  std::string origin;  // the graph node that it began with: "Conv 'c1' (output 'x')"
  std::string kernel;  // the operators that it holds: "conv+relu"
  std::string how;     // "int8 contraction, VNNI 512, packed weights"
};

}  // namespace dlc::codegen
