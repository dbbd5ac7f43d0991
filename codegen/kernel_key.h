// Recognises kernels that are the same code.
#pragma once

#include <string>
#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::codegen {

// Two kernels with equal text differ only in the names of their variables and in which buffers they work on;
// `buffers`, in the order of first mention, says which.
struct KernelKey {
  std::string text;
  std::vector<ir::BufferId> buffers;
};

// Requires a LoopNest, Contraction or Attention whose buffers have strides.
KernelKey kernel_key(const ir::Program& program, const ir::Kernel& kernel);

}  // namespace dlc::codegen
