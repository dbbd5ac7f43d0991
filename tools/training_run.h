// A model made ready for training: its parameters, and the compiled programs of the step.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codegen/compile.h"
#include "passes/training/algorithm_step.h"
#include "passes/training/build_step.h"
#include "passes/training/parameters.h"
#include "runtime/training/stepper.h"
#include "tools/progress.h"
#include "tools/training_flags.h"

namespace dlc::tools {

// The bytes of a model that a run trains: with the data of files beside it inside, and with the head that the
// flags ask for.
std::string prepare_model(const std::string& path, const TrainingFlags& flags);

struct TrainableModel {
  std::string bytes;                 // of the ONNX file
  std::unique_ptr<ir::Graph> graph;  // as read, with the batch of the run
  std::vector<passes::Parameter> parameters;
  std::vector<std::string> trained;           // by --freeze, --train and --lora
  std::map<std::string, double> rate_scales;  // of --lr-scale, by parameter
  // With --algorithm: the step that the model describes, which is part of the graph, and its states beside
  // parameters.
  std::optional<passes::AlgorithmGraph> algorithm = {};
  std::map<std::string, Tensor> other_states = {};

  std::string hash() const;  // of the bytes
  // The states at the start of a run: parameters and statistics, and what an algorithm has beside.
  std::map<std::string, Tensor> states() const;
};

// Gives back all that a model takes, and what compiling it has left between the blocks of the allocator.
void release(TrainableModel& model);

// Error(kUsage) for a pattern that matches nothing, or where nothing is left to train.
TrainableModel open_model(const std::string& name, std::string bytes, const TrainingFlags& flags);

// What is known of a step before it is compiled.
struct StepTask {
  std::vector<training::Field> fields;  // of a batch
  size_t output = 0;                    // that the loss looks at
  int64_t classes = 0;                  // 0: the targets are no class numbers
};
StepTask task_of(const TrainableModel& model, const TrainingFlags& flags);

// How the flags say that programs are compiled.
codegen::CompileOptions compile_options(const TrainingFlags& flags);

// The programs of a step. `graph` is the model's, or what of it lies above a frozen part. Only the program of
// the evaluation unless it `trains`.
struct CompiledStep {
  training::StepPrograms programs;
  std::string memory;  // what a step takes, in one line; of an evaluation nothing
};
CompiledStep compile_step(const TrainableModel& model, const ir::Graph& graph, const TrainingFlags& flags,
                          bool trains, Progress& progress);
// The program of a step, which computes so much again that it fits into --max-memory. Error(kUsage) where it
// cannot.
struct FittedStep {
  training::StepProgram step;
  passes::Recompute what;
  passes::RecomputePlan plan;
  int64_t bytes = 0;  // that a step takes: intermediate values and states
};
FittedStep compile_fitted(const TrainableModel& model, const ir::Graph& graph, const TrainingFlags& flags,
                          passes::StepKind kind, const codegen::CompileOptions& options);
// One of them, as a graph and compiled.
passes::StepGraph build_graph(const TrainableModel& model, const ir::Graph& graph, const TrainingFlags& flags,
                              passes::StepKind kind, passes::Recompute what = passes::Recompute::kNothing);
training::StepProgram compile_program(const TrainableModel& model, const ir::Graph& graph,
                                      const TrainingFlags& flags, passes::StepKind kind,
                                      const codegen::CompileOptions& options);

}  // namespace dlc::tools
