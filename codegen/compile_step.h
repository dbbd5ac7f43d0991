// The programs of a training step, compiled.
#pragma once

#include "codegen/compile.h"
#include "codegen/step_library.h"
#include "passes/training/build_step.h"
#include "runtime/training/stepper.h"

namespace dlc::codegen {

// Changed states replace those that the program takes wherever they may (passes/in_place.h).
StepModel compile_step_to_object(passes::StepGraph step, CompileOptions options);
training::StepProgram compile_step(passes::StepGraph step, CompileOptions options);

}  // namespace dlc::codegen
