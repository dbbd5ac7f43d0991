// Weights of a convolution transformed for minimal filtering, when the model is compiled or when it runs.
#pragma once

#include <vector>

#include "passes/schedule/winograd_form.h"

namespace dlc::passes {

// Whether the weights are known now.
bool has_constant_weights(const ir::Program& program, const ir::Contraction& contraction);

// Bytes of the weights as transformed for output tiles of m x m; m = 1: as packed for direct convolution.
int64_t winograd_weight_bytes(const WinogradForm& form, int m);

// Replaces B by [N / 16][(m + taps - 1)^2][windows...][K][16], columns beyond N zero, and marks the
// contraction kWinograd. The second index of B stands for the element of a transformed tile and is 0. Gives
// the kernel that transforms the weights in every run, where they are not constant.
std::vector<ir::Kernel> schedule_winograd(ir::Program& program, ir::Contraction& contraction,
                                          const WinogradForm& form, int m);

}  // namespace dlc::passes
