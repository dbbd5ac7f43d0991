// BatchNormalization for convolutions that have none, by what they give for a run's data.
#pragma once

#include <string>

#include "runtime/training/dataset.h"
#include "tools/progress.h"
#include "tools/training_run.h"

namespace dlc::tools {

// The bytes of the model with a BatchNormalization behind every convolution that matches the pattern (by its
// node, weight or output) and has none. It computes what it did: mean and variance are those of a part of the
// samples, and scale and bias undo them. Error(kUsage) where nothing matches.
std::string insert_normalization(const TrainableModel& model, const StepTask& task,
                                 const TrainingFlags& flags, const std::string& pattern,
                                 const training::Dataset& samples, const training::Subset& subset,
                                 Progress& progress);

}  // namespace dlc::tools
