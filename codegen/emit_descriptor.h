// The constant data that describes a model to whoever loads it: dlc_model and what it points to.
#pragma once

#include "codegen/emit_run.h"

namespace dlc::codegen {

struct DescriptorParts {
  llvm::Function* bind;
  llvm::Function* run;
  int32_t arena_slot;
};

// Defines descriptor_symbol(info.name).
llvm::GlobalVariable* emit_descriptor(llvm::Module& module, const ProgramParts& parts, const ModelInfo& info,
                                      const DimsTable& table, const RunLayout& layout,
                                      const DescriptorParts& functions);

// The functions of the C header, which forward to the model runtime.
void emit_header_functions(llvm::Module& module, const ModelInfo& info, llvm::GlobalVariable* descriptor);

}  // namespace dlc::codegen
