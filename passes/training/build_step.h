// The programs of training as graphs: one that makes a step, one that only collects gradients, one that
// evaluates.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/training/options.h"
#include "passes/training/parameters.h"
#include "passes/training/recompute.h"
#include "runtime/training/step.h"

namespace dlc::passes {

struct StepGraph {
  std::unique_ptr<ir::Graph> graph;
  training::StepLayout layout;  // of its inputs and outputs, see there
  RecomputePlan recompute = {};
};

enum class StepKind : uint8_t {
  kStep,        // forward, backward, clipping, optimizer
  kAccumulate,  // forward, backward, the sum of gradients
  kEvaluate,    // forward in inference
  kGradients,   // forward, backward: gradients in the places of the next parameters
};

// A pure function (batch, states) -> (loss, outputs, states') made of a model as it was read: the parameters
// of `trained` and the statistics are states, other constants stay. The graph goes through the passes up to
// the raising of idioms, is differentiated and gets the optimizer; codegen::compile() does the rest. Every
// data input and the output of the loss have the batch as their first axis, of a known extent.
//
// The program of kGradients has no states but parameters and statistics; its loss is of the type that it is
// computed in: f64 for a model in double precision.
//
// With accumulate = n > 1, n - 1 batches go through kAccumulate and the nth through kStep, which leaves the
// accumulators at zero. Error(kModel) where the model cannot be trained like this.
StepGraph build_step(const ir::Graph& model, const std::vector<Parameter>& parameters,
                     const std::vector<std::string>& trained, const TrainingOptions& options, StepKind kind);

// What a batch for the step of a model consists of: its inputs and the target. Error(kUsage) where extents
// are not known.
std::vector<training::Field> batch_fields(const ir::Graph& model, const LossOptions& loss);

// Gives the data inputs a batch of this extent, whatever extent the model was exported with: types, and
// constant shapes that the exporter has written out for its own batch. Error(kModel) where outputs do not
// follow.
void set_batch(ir::Graph& model, int64_t batch);

}  // namespace dlc::passes
