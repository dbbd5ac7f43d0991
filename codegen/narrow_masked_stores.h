// Masked stores of one lane become scalar stores.
#pragma once

#include <llvm/IR/Module.h>

namespace dlc::codegen {

// Replaces masked stores whose mask is a constant with one active lane. LLVM's x86 backend does that as well,
// but where the value is truncated it stores the wide element over the neighbours of the narrow one. To run
// last, as optimisation makes constants of masks.
void narrow_masked_stores(llvm::Module& module);

}  // namespace dlc::codegen
