// LLVM's part: from IR to optimised IR, assembly and object files.
#pragma once

#include <string>

#include <llvm/IR/Module.h>

#include "codegen/target.h"

namespace dlc::codegen {

// A module for the target, empty.
std::unique_ptr<llvm::Module> make_module(llvm::LLVMContext& context, const Target& target,
                                          const std::string& name);
// Verifies (Error(kInternal)) and optimises. LLVM's own vectorisers stay off: vectors are laid out by the
// emitters.
void optimize(llvm::Module& module, const Target& target);
std::string to_object(llvm::Module& module, const Target& target);
std::string to_assembly(llvm::Module& module, const Target& target);
std::string to_text(const llvm::Module& module);

}  // namespace dlc::codegen
