// Sums of many numbers in single precision.
#pragma once

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// A running sum of n numbers in one accumulator is off by up to n roundings. Sums of more than a thousand (or
// an unknown number of) floats in serial loops are made sums of partial sums: of the inner loops where there
// are some, else of chunks of the loop. Vector loops have a partial sum a lane already, and chunks where they
// are very long. The order depends on extents only.
void split_long_sums(ir::Block& block, ir::Program& variables);

}  // namespace dlc::passes
