// A small model with everything that a run has to keep: momentum, dropout, accumulation, running
// statistics, averages.
#pragma once

#include <memory>

#include "passes/training/build_step.h"
#include "runtime/training/trainer.h"

namespace dlc::training {

passes::StepGraph tiny_graph(passes::StepKind kind);
// The compiled step, shared by all tests.
const StepPrograms& tiny_programs();
std::map<std::string, Tensor> tiny_states();

// 50 points of two clouds; one of them may be NaN.
std::unique_ptr<Dataset> tiny_data(bool with_nan = false);

// A run from the beginning: data, loaders, stepper, trainer.
class TinyRun {
 public:
  explicit TinyRun(TrainerOptions options, bool with_nan = false);

  Trainer& trainer() { return *trainer_; }
  Stepper& stepper() { return stepper_; }

 private:
  std::unique_ptr<Dataset> data_;
  Split parts_;
  Loader training_;
  Loader validation_;
  Stepper stepper_;
  std::unique_ptr<Trainer> trainer_;
};

}  // namespace dlc::training
