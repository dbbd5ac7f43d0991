// Evaluation of single nodes at compile time.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.h"

namespace dlc::passes {

struct EvaluateOptions {
  int64_t max_operations = 1 << 25;  // scalar statements that may run
  // Of outputs that are larger than all inputs together.
  int64_t max_grown_elements = 1 << 16;
};

// The outputs (undefined Tensors for absent ones) of a node all of whose inputs are constants, by lowering it
// and interpreting its kernels. Nothing where it is nondeterministic, has sub-graphs, strings, calls of
// runtime kernels or extents that depend on data, or is too costly.
std::optional<std::vector<Tensor>> evaluate(const ir::Node& node, const EvaluateOptions& options = {});

}  // namespace dlc::passes
