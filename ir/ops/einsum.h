// Einsum, a part of the matmul family.
#pragma once

#include <map>
#include <vector>

#include "ir/op.h"

namespace dlc::ir {

void register_einsum(OpRegistry& registry);

// A letter, or -1 - i for the i-th axis from the right of an ellipsis.
using Label = int;
using Labels = std::vector<Label>;

struct Equation {
  std::vector<Labels> operands;
  Labels output;
  std::map<Label, Dim> extents;  // of the broadcast operands
};

// Of a node with its inputs; Error where they do not fit.
Equation equation_of(const InferContext& context);

}  // namespace dlc::ir
