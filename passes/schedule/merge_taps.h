// Convolutions of few channels: taps beside each other as one run along K.
#pragma once

#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// Where the channels of a convolution of bytes are so few that they leave most of a group unused, and the
// taps of a row follow each other in memory, makes these taps and channels one K axis. Padding goes into a
// copy of A, which the returned kernels make before the contraction; constant weights are stored in the order
// of the run. Requires that storage orders are decided.
std::vector<ir::Kernel> merge_taps(ir::Program& program, ir::Contraction& contraction);

}  // namespace dlc::passes
