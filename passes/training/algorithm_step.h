// Steps that a model describes itself.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "passes/training/build_step.h"

namespace dlc::passes {

// A model and its algorithm as one graph, of a known batch: what is behind the model's own outputs are the
// loss, a floating-point number, and the values that take the places of constants.
struct AlgorithmGraph {
  size_t outputs = 1;                          // of the model
  std::string loss;                            // name of an output
  std::map<std::string, std::string> updates;  // constants, and the outputs that take their places
  std::vector<std::string> parameters;         // of these constants: the model's own floating-point tensors
};

// As build_step(), for kStep and kEvaluate: the constants are the states, all inputs of the graph the fields.
// What counts as the norm of the gradient is that of the parameters' change. Samples of weight 0 count as
// others do, and the rate is the algorithm's. Error(kModel) where the parts do not fit.
StepGraph build_algorithm_step(const ir::Graph& graph, const AlgorithmGraph& algorithm, StepKind kind);

}  // namespace dlc::passes
