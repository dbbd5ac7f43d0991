#include "codegen/compile_step.h"

namespace dlc::codegen {

StepModel compile_step_to_object(passes::StepGraph step, CompileOptions options) {
  training::StepLayout layout = std::move(step.layout);
  const size_t first_state = layout.fields.size() + training::kScalarInputs;
  const size_t first_changed = training::kScalarOutputs + layout.outputs.size();
  // The optimizer's states first: more than one of them may need the parameter as it was.
  for (size_t i = layout.changed.size(); i-- > 0;) {
    options.reuse.push_back(
        {static_cast<int>(first_state + layout.changed[i]), static_cast<int>(first_changed + i)});
  }
  CompiledModel model = compile_to_object(std::move(step.graph), options);
  layout.in_place.assign(layout.changed.size(), false);
  for (const passes::Reuse& reuse : model.report.reused)
    layout.in_place[static_cast<size_t>(reuse.output) - first_changed] = true;
  return {std::move(model), std::move(layout)};
}

training::StepProgram compile_step(passes::StepGraph step, CompileOptions options) {
  StepModel compiled = compile_step_to_object(std::move(step), std::move(options));
  return {load(std::move(compiled.model)), std::move(compiled.layout)};
}

}  // namespace dlc::codegen
