// The standard's TrainingInfoProto: how a model says how it is trained.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace dlc::frontend {

// A node of an algorithm, by the names of what it takes and gives.
struct AlgorithmNode {
  std::string domain;
  std::string op;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  ir::Attributes attributes = {};  // numbers, text and lists of them
};

// One step of training. It is a graph behind the model's own, which may use everything there.
struct Algorithm {
  std::vector<AlgorithmNode> nodes;
  std::map<std::string, Tensor> initializers;     // its own: rates, states of an optimizer
  std::map<std::string, ir::TensorType> inputs;   // its own: targets
  std::map<std::string, ir::TensorType> outputs;  // the loss, ...
  // Initializers, of the model or its own, and what takes their places after a step.
  std::map<std::string, std::string> updates;
};

// The model with this as its one TrainingInfoProto. Error(kModel) where the model's operator set lacks
// losses.
std::string with_algorithm(std::string_view model, const Algorithm& algorithm);

// The model and its algorithms as one graph, as the standard defines a step.
struct TrainingModel {
  std::string model;  // without TrainingInfoProto; its outputs are those of the model, `outputs`, and updates
  size_t model_outputs = 0;                    // which come first
  std::vector<std::string> inputs;             // those that only training has
  std::vector<std::string> outputs;            // likewise: the first is the loss
  std::map<std::string, std::string> updates;  // initializers, and what takes their places after a step
  // For initial values: a model without inputs, empty where there is none, and which initializers get what it
  // gives.
  std::string initialization;
  std::map<std::string, std::string> initial;
};

// Error(kModel) where the model has no TrainingInfoProto, or one that contradicts itself.
TrainingModel read_algorithm(std::string_view model);

}  // namespace dlc::frontend
