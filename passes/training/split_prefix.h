// The part of a model that training does not change, cut off.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/training/options.h"
#include "passes/training/parameters.h"
#include "runtime/training/step.h"

namespace dlc::passes {

struct Prefix {
  std::unique_ptr<ir::Graph> graph;       // from the model's inputs to what the rest reads
  std::unique_ptr<ir::Graph> rest;        // from there to the model's outputs; build_step() takes it
  std::vector<training::Field> features;  // outputs of `graph` and inputs of `rest`, of a batch
  size_t nodes = 0;                       // of the model in `graph`
  size_t all_nodes = 0;                   // of the model
  int64_t bytes_per_sample() const;       // of all features
};

struct PrefixResult {
  std::unique_ptr<Prefix> prefix;  // null: there is none
  std::string reason;              // why, where there are frozen nodes that are worth it
};

// Splits a model with a known batch above all nodes that no trained parameter, no Dropout and no statistics
// of the batch reach: what is computed there for a sample is the same in every epoch. Cheap nodes whose
// inputs are smaller than their outputs stay with the rest, so that the features are small.
PrefixResult split_prefix(const ir::Graph& model, const std::vector<Parameter>& parameters,
                          const std::vector<std::string>& trained, const TrainingOptions& options);

}  // namespace dlc::passes
