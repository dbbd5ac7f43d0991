// What of the forward pass waits for the backward pass, and what is computed again there.
#pragma once

#include <cstdint>
#include <span>

#include "ir/graph.h"
#include "passes/training/options.h"

namespace dlc::passes {

struct RecomputePlan {
  int64_t saved_bytes = 0;       // that wait for the backward pass
  int64_t recomputed_bytes = 0;  // that would wait if nothing was computed again
  size_t recomputed_nodes = 0;
};

// Of a joint graph whose forward pass is what `forward` depends on: finds the values of the least bytes from
// which the backward pass can compute all that it needs of the forward pass by nodes that `what` allows (a
// minimal cut), and gives it copies of these nodes. MatMul, Gemm and Conv count as so many bytes as their
// multiplications are worth by `what`. Results stay the same to the last bit. Values whose size
// is not known are kept.
RecomputePlan recompute(ir::Graph& joint, std::span<ir::Value* const> forward, Recompute what);

}  // namespace dlc::passes
