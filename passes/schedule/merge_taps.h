// Convolutions of few channels: taps beside each other as one run along K.
#pragma once

#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// Where the channels of a convolution are so few that a tap is hardly worth its addresses, and leave most of
// a group of bytes unused, and the taps of a row follow each other in memory, makes these taps and channels
// one K axis. Padding goes into a copy of A, which the returned kernels make before the contraction; weights
// are stored in the order of the run, those that only the run knows by a kernel. Requires that storage orders
// are decided.
std::vector<ir::Kernel> merge_taps(ir::Program& program, ir::Contraction& contraction);

}  // namespace dlc::passes
