// Which kernel every operator got.
#pragma once

#include <string>
#include <vector>

#include "codegen/target.h"
#include "ir/kernel/kernel.h"

namespace dlc::codegen {

struct KernelChoice {
  std::string origin;  // the graph node that it began with: "Conv 'c1' (output 'x')"
  std::string kernel;  // the operators that it holds: "conv+relu"
  std::string how;     // "int8 contraction, VNNI 512, packed weights"
};

// Of every kernel of a scheduled program, in order of evaluation.
std::vector<KernelChoice> explain(const ir::Program& program, const Target& target);

}  // namespace dlc::codegen
