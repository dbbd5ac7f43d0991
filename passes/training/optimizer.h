// Optimizers as graph values.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/training/options.h"

namespace dlc::passes {

// The state that an optimizer keeps beside each parameter, all of the parameter's shape and starting at 0:
// the endings of their names.
std::vector<std::string> moment_names(const OptimizerOptions& options);

struct UpdateNodes {
  ir::Value* parameter;
  std::vector<ir::Value*> moments;  // as moment_names()
};

// Scalars of a step, inputs of the graph.
struct StepScalars {
  ir::Value* rate;  // f32
  ir::Value* step;  // i64, from 1
};

// One step of one parameter; the gradient has its type, the moments are f32 or wider.
UpdateNodes add_update(ir::Graph& graph, const OptimizerOptions& options, const StepScalars& scalars,
                       ir::Value* parameter, ir::Value* gradient, std::span<ir::Value* const> moments);

// The moving average of a parameter after a step that has led to `parameter`; see TrainingOptions.
ir::Value* add_average(ir::Graph& graph, double decay, const StepScalars& scalars, ir::Value* average,
                       ir::Value* parameter);

// Each gradient with its elements in [-limit, limit].
std::vector<ir::Value*> clip_values(ir::Graph& graph, std::span<ir::Value* const> gradients, double limit);
// The norm of all gradients together, an f32 scalar.
ir::Value* add_norm(ir::Graph& graph, std::span<ir::Value* const> gradients);
// The gradients, scaled down where their norm is above the limit.
std::vector<ir::Value*> clip_norm(ir::Graph& graph, std::span<ir::Value* const> gradients, ir::Value* norm,
                                  double limit);

}  // namespace dlc::passes
