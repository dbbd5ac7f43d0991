// How many lanes a vector loop has, from the element types that it touches.
#pragma once

#include "codegen/target.h"
#include "ir/kernel/kernel.h"

namespace dlc::codegen {

// A power of two: the vector register filled with the widest element type of the loop's loads and stores, at
// most two registers of floats.
int vector_width(const ir::For& loop, const Target& target);

// Whether the last, partial vector may be masked: everywhere with predicate registers; with AVX2 only for
// elements of 32 and 64 bits (narrower masked accesses become branches).
bool masked_tail(const ir::For& loop, const Target& target);

}  // namespace dlc::codegen
