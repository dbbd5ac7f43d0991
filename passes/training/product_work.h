// What it costs to compute a product of matrices or a convolution.
#pragma once

#include <optional>

#include "ir/graph.h"

namespace dlc::passes {

// Multiplications of a MatMul, Gemm or Conv; nothing for other nodes, and where extents are not known.
std::optional<double> multiplications(const ir::Node& node);

}  // namespace dlc::passes
