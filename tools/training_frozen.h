// The part of a model below what is trained, which runs once a sample.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "runtime/training/feature_cache.h"
#include "tools/training_run.h"

namespace dlc::tools {

struct FrozenPart {
  std::unique_ptr<ir::Graph> rest;                  // what a step runs; null: the whole model
  std::optional<training::FeatureProgram> program;  // of what it does not
  std::string plan;                                 // one line, or nothing where nothing is frozen
};

// Cuts off what gives the same features for a sample in every epoch, if those of `samples` fit into
// --cache-features.
FrozenPart compile_frozen(const TrainableModel& model, const StepTask& task, const TrainingFlags& flags,
                          int64_t samples, Progress& progress);

}  // namespace dlc::tools
