// Losses as graph values.
#pragma once

#include "ir/graph.h"
#include "passes/training/options.h"

namespace dlc::passes {

// Whether the targets are class numbers.
bool takes_classes(LossKind kind);
// Of an output: classes are the second axis, as in images of logits, but the last of a sequence.
int64_t class_axis(size_t rank);

// What the targets of a batch are. Error(kModel) where the loss does not fit the output, Error(kUsage) where
// the model has no such output.
ir::Type target_type(const ir::Graph& graph, const LossOptions& options);

struct LossNodes {
  ir::Value* loss;   // scalar: the weighted average over all samples (and places) that count
  ir::Value* total;  // scalar: the sum of their weights
};

// Adds the loss to a graph whose values have types; it is computed in f32, of a model in double precision in
// f64. Target and weights (f32, one a sample) are inputs of the graph. A Softmax that ends the model is left
// out of a cross-entropy, which takes logits.
LossNodes add_loss(ir::Graph& graph, const LossOptions& options, ir::Value* target, ir::Value* weights);

// The output that the options name, by its position.
size_t find_output(const ir::Graph& graph, const std::string& name);

}  // namespace dlc::passes
