// Weights of 4 or 8 bits on their way into a product.
#pragma once

#include "codegen/emit.h"

namespace dlc::codegen {

// Bytes <n x i8> as they are or, of uint4, their lower and their upper halves.
std::vector<llvm::Value*> halves_of(llvm::IRBuilder<>& builder, llvm::Value* bytes, DType type);

// The same as vectors of float, less `zero`.
std::vector<llvm::Value*> float_halves_of(KernelEmitter& emitter, llvm::Value* bytes, DType type,
                                          int64_t zero);

}  // namespace dlc::codegen
