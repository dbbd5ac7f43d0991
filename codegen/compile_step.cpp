#include "codegen/compile_step.h"

namespace dlc::codegen {

StepModel compile_step_to_object(passes::StepGraph step, CompileOptions options) {
  options.passes.in_place = training::states_in_place(step.layout);
  return {compile_to_object(std::move(step.graph), options), std::move(step.layout)};
}

training::StepProgram compile_step(passes::StepGraph step, CompileOptions options) {
  StepModel compiled = compile_step_to_object(std::move(step), std::move(options));
  return {load(std::move(compiled.model)), std::move(compiled.layout)};
}

}  // namespace dlc::codegen
