// What every Kernel IR program keeps.
#pragma once

#include "ir/kernel/kernel.h"

namespace dlc::ir {

// Throws Error(kInternal) naming the buffer or the kernel where the program
//  * has a view that does not fit its base (rank, extents where provable, storage), a constant without its
//  tensor,
//    an order that is no permutation, inputs or outputs that are not row-major;
//  * uses a variable, a symbol or a buffer before its definition, or defines a variable twice;
//  * mixes types, indexes with the wrong number of indices, or provably leaves a buffer;
//  * writes to an input or a constant;
//  * has a parallel loop inside of a serial one or a loop inside of a vector one, or carries a value over
//  parallel
//    iterations;
//  * has a contraction whose variables appear where their roles forbid it.
void verify(const Program& program);

}  // namespace dlc::ir
