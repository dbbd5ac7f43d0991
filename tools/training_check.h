// Training steps on random data: are the gradients right, and how long do they take?
#pragma once

#include <string>

#include "tools/training_flags.h"

namespace dlc::tools {

// Prints for each trained parameter the derivative of the loss along a random direction, once by its gradient
// and once by central differences, both in double precision. Exit code 1 where they differ.
int check_gradients(const std::string& model, const TrainingFlags& flags);

struct StepBenchOptions {
  double seconds = 3;
  std::string profile = "";  // a file for the times of kernels
  bool json = false;
};

// Prints the time of a step and its memory.
int bench_step(const std::string& model, const TrainingFlags& flags, const StepBenchOptions& options);

}  // namespace dlc::tools
