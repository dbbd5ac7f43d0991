// The programs of a training step, compiled.
#pragma once

#include "codegen/compile.h"
#include "codegen/step_library.h"
#include "passes/training/build_step.h"
#include "runtime/training/stepper.h"

namespace dlc::codegen {

// The layout says which states the program may change in their own memory.
StepModel compile_step_to_object(passes::StepGraph step, CompileOptions options);
training::StepProgram compile_step(passes::StepGraph step, CompileOptions options);

}  // namespace dlc::codegen
