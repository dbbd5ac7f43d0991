// A training step as a library: its programs, the states that they change, and functions for C.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "codegen/compile.h"
#include "runtime/training/step.h"

namespace dlc::codegen {

struct StepModel {
  CompiledModel model;
  training::StepLayout layout;
};

struct StepLibrary {
  std::string name;  // a C identifier: prefix of what the library exports
  StepModel step;
  std::optional<StepModel> accumulate;
  StepModel evaluate;
  int64_t batches_per_step = 1;
  std::map<std::string, Tensor> initial = {};  // values of states; those that are missing start at zero
};

// The prefix that a library of this file name gets.
std::string step_library_name(const std::string& file);
// The names that the programs of a library are to be compiled with.
std::string step_program_name(const std::string& library, const char* what);

// A shared library that needs libc and libm only. Written atomically. Error(kIo, kUsage) as of
// write_shared_library().
void write_step_library(const StepLibrary& library, const std::string& path, const CompileOptions& options);

// Its C header: C99, needs nothing but <stdint.h>.
std::string write_step_header(const StepLibrary& library);

}  // namespace dlc::codegen
