// All kernels of a program, equal ones once.
#pragma once

#include "codegen/code_units.h"
#include "codegen/emit_program.h"

namespace dlc::codegen {

struct KernelSet {
  std::map<const ir::Kernel*, KernelCode> code;  // of every kernel step that is no call
  int distinct = 0;
};

// Adds one function per distinct kernel, `per_unit` of them to a module in the order of the program.
KernelSet emit_kernels(CodeUnits& units, const ir::Program& program, const Target& target,
                       const std::string& prefix, int per_unit);

}  // namespace dlc::codegen
