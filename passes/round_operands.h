#pragma once

#include "ir/kernel/kernel.h"
#include "passes/options.h"

namespace dlc::passes {

// With Precision::kBfloat16, lets large products of float32 (matrix products and convolutions, forward and
// backward) read operands that are rounded to bfloat16, once each; sums and results stay float32. Constants
// are rounded here; for others a kernel is added, which fusion moves into what makes the value. Convolutions
// that minimal filtering makes faster, and products too small to gain, are left alone. Does nothing
// otherwise.
void round_operands(ir::Program& program, const Options& options);

}  // namespace dlc::passes
