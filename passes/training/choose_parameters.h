// Which parameters of a model are trained, how fast, and which get adapters.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/training/lora.h"
#include "passes/training/options.h"
#include "passes/training/parameters.h"

namespace dlc::passes {

struct ChosenParameters {
  std::vector<Parameter> parameters;  // of the model, and of adapters
  std::vector<std::string> trained;
  std::map<std::string, double> rate_scales;  // factors by the parameters' names
};

// Adds the adapters to the graph, a model as it was read with the `stored` tensors in its file: others (those
// of function bodies) have no place that they could be written to. Error(kUsage) for a pattern that matches
// nothing, or where nothing is left to train.
ChosenParameters choose_parameters(ir::Graph& model, const std::set<std::string>& stored,
                                   const ParameterChoice& choice);

// find_parameters() without those that are not stored.
std::vector<Parameter> stored_parameters(const ir::Graph& model, const std::set<std::string>& stored);

// The tensors of a training with adapters, merged into the weights that the model has. `tensors` may hold
// others.
std::map<std::string, Tensor> merge_adapters(const ir::Graph& model, const LoraOptions& options,
                                             std::map<std::string, Tensor> tensors);

}  // namespace dlc::passes
