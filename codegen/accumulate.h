// Multiply and add in the type of an accumulator.
#pragma once

#include "codegen/emit.h"

namespace dlc::codegen {

// a * b + sum: rounded once where the target has the instruction. All three of one type, vectors or scalars.
llvm::Value* multiply_add(KernelEmitter& emitter, llvm::Value* a, llvm::Value* b, llvm::Value* sum);

// Lanes below a count (i64), as a mask of `width` lanes.
llvm::Value* lanes_below(KernelEmitter& emitter, llvm::Value* count, int width);

}  // namespace dlc::codegen
