// A training step as a library.
#pragma once

#include <string>

#include "tools/training_flags.h"

namespace dlc::tools {

struct StepFiles {
  std::string library;
  std::string header;  // empty: none
  std::string name;    // prefix of the functions; empty: the header's or the library's file name
};

// Compiles init, step, evaluation and access to parameters into one library, and writes its C header.
int compile_library(const std::string& model, const TrainingFlags& flags, const StepFiles& files);

}  // namespace dlc::tools
