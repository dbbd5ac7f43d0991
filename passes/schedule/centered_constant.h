// Constant integers without their zero point.
#pragma once

#include <optional>

#include "passes/schedule/constant_walk.h"

namespace dlc::passes {

// The elements of a contraction's constant B less their zero point, int32 in the shape of the constant that
// holds them. Nothing where the zero point is not constant, or differs where B does not.
std::optional<Tensor> centered_constant(const ir::Program& program, const ir::Contraction& contraction,
                                        const ConstantWalk& walk);

}  // namespace dlc::passes
