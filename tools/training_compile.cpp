#include "tools/training_compile.h"

#include <fmt/format.h>

#include "codegen/compile_step.h"
#include "runtime/data/files.h"
#include "runtime/error.h"
#include "tools/tool.h"
#include "tools/training_run.h"

namespace dlc::tools {
using passes::StepKind;

int compile_library(const std::string& model, const TrainingFlags& flags, const StepFiles& files) {
  const TrainableModel opened = open_model(model, prepare_model(model, flags), flags);
  const codegen::CompileOptions options = compile_options(flags);
  const std::string named_after = files.header.empty() ? files.library : files.header;
  const std::string name = codegen::step_library_name(files.name.empty() ? named_after : files.name);
  auto compile = [&](const char* program, StepKind kind) -> codegen::StepModel {
    codegen::CompileOptions own = options;
    own.name = codegen::step_program_name(name, program);
    const bool is_fitted = kind != StepKind::kEvaluate && flags.max_megabytes > 0;
    const passes::Recompute what = is_fitted
                                       ? compile_fitted(opened, *opened.graph, flags, kind, options).what
                                       : passes::Recompute::kNothing;
    passes::StepGraph step = build_graph(opened, *opened.graph, flags, kind, what);
    return codegen::compile_step_to_object(std::move(step), own);
  };
  codegen::StepLibrary library{.name = name,
                               .step = compile("step", StepKind::kStep),
                               .accumulate = std::nullopt,
                               .evaluate = compile("evaluate", StepKind::kEvaluate),
                               .batches_per_step = flags.accumulate};
  if (flags.accumulate > 1) library.accumulate = compile("accumulate", StepKind::kAccumulate);
  library.initial = training::initial_states(library.step.layout, opened.states());
  codegen::write_step_library(library, files.library, options);
  if (!files.header.empty()) data::write_file(files.header, codegen::write_step_header(library));
  fmt::print("{}: {} states of {}\n", files.library, library.step.layout.states.size(), model);
  return kExitDone;
}

}  // namespace dlc::tools
