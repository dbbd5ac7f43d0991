// Data sets of what a frozen part of a model makes of samples, computed once.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "runtime/program.h"
#include "runtime/training/dataset.h"

namespace dlc::training {

// The frozen part: its inputs are the fields of a sample but the last, the target.
struct FeatureProgram {
  runtime::Program program;
  std::vector<Field> fields;    // of its inputs and the target, with the batch
  std::vector<Field> features;  // of its outputs and the target
};

struct FeatureOptions {
  runtime::ContextOptions context = {};
  int loader_threads = 1;
  std::function<void(int64_t batch, int64_t batches)> on_batch = {};
};

// Reads the samples of the subset once and keeps features and targets in memory. The result has the numbers
// of `data`, of which those of the subset can be read, and needs neither `data` nor the program.
std::unique_ptr<Dataset> cache_features(const Dataset& data, const Subset& subset,
                                        const FeatureProgram& program, const FeatureOptions& options);

}  // namespace dlc::training
