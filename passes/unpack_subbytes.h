#pragma once

#include "ir/kernel/kernel.h"
#include "passes/options.h"

namespace dlc::passes {

// Gives every element of two or four bits that a kernel writes a byte of its own, so that kernels store whole
// bytes and their parallel iterations never share one: temporaries become buffers of bytes, outputs of the
// model are packed by a runtime kernel at the end of the run. Inputs and constants stay packed; kernels load
// their elements from where they lie.
void unpack_subbytes(ir::Program& program, const Options& options);

}  // namespace dlc::passes
