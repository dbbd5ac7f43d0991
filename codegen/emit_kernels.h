// All kernels of a program, equal ones once.
#pragma once

#include "codegen/emit_program.h"

namespace dlc::codegen {

struct KernelSet {
  std::map<const ir::Kernel*, KernelCode> code;  // of every kernel step that is no call
  int distinct = 0;
};

// Adds one function per distinct kernel to the module.
KernelSet emit_kernels(llvm::Module& module, const ir::Program& program, const Target& target,
                       const std::string& prefix);

}  // namespace dlc::codegen
