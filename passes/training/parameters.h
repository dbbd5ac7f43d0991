// The constants of a model that training may change.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace dlc::passes {

struct Parameter {
  std::string name;  // in the model's file
  Tensor value;
  std::string user;           // the first node that uses it, for patterns and messages
  bool is_statistic = false;  // a running mean or variance
};

// Floating-point constants that the model's operators use as weights, scales, biases, tables of embeddings or
// statistics, in the order of their use. Numbers that are part of a formula are none: scalars, and masks with
// infinities. Runs on a model as it was read, before anything is folded.
std::vector<Parameter> find_parameters(const ir::Graph& graph);

// An input of this name and type takes the place of a constant that find_parameters() names, converted to the
// constant's type, and is returned.
ir::Value* make_input(ir::Graph& graph, const std::string& constant, const std::string& name, DType type);

}  // namespace dlc::passes
