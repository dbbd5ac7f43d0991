#include "tools/training_run.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "frontend/read_model.h"
#include "frontend/write_model.h"
#include "passes/training/loss.h"
#include "runtime/error.h"
#include "runtime/training/checkpoint.h"
#include "runtime/training/random.h"
#include "tools/spec.h"
#include "tools/tool.h"

namespace dlc::tools {
namespace {

using passes::Parameter;
using passes::StepKind;

bool matches_any(const std::vector<std::string>& patterns, const Parameter& parameter) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return matches(pattern, parameter.name) || matches(pattern, parameter.user);
  });
}

void require_matches(const char* flag, const std::vector<std::string>& patterns,
                     const std::vector<Parameter>& parameters) {
  for (const std::string& pattern : patterns) {
    bool found = std::any_of(parameters.begin(), parameters.end(),
                             [&](const Parameter& parameter) { return matches_any({pattern}, parameter); });
    if (!found) {
      fail(ErrorKind::kUsage, "{}: no parameter matches '{}'; dlc-train inspect lists them", flag, pattern);
    }
  }
}

int64_t class_count(const training::Field& output, const passes::LossOptions& loss) {
  if (!passes::takes_classes(loss.kind)) return 0;
  return output.shape[static_cast<size_t>(passes::class_axis(output.shape.size()))];
}

}  // namespace

std::string prepare_model(const std::string& path, const TrainingFlags& flags) {
  std::string bytes = frontend::pack_model(path);
  const std::optional<int64_t> classes = head_classes(flags);
  if (!classes) return bytes;
  training::Random random(flags.seed);
  const std::string output = flags.output;
  return frontend::replace_head(bytes, output, *classes, [&] { return 2 * random.unit() - 1; });
}

std::string TrainableModel::hash() const { return training::hash_of_model(bytes); }

std::map<std::string, Tensor> TrainableModel::states() const {
  std::map<std::string, Tensor> result;
  for (const Parameter& parameter : parameters) result[parameter.name] = parameter.value;
  return result;
}

std::vector<Parameter> stored_parameters(const ir::Graph& graph, std::string_view bytes) {
  std::vector<Parameter> parameters = passes::find_parameters(graph);
  const std::set<std::string> stored = frontend::tensor_names(bytes);
  std::erase_if(parameters, [&](const Parameter& parameter) { return !stored.contains(parameter.name); });
  return parameters;
}

TrainableModel open_model(const std::string& name, std::string bytes, const TrainingFlags& flags) {
  TrainableModel model;
  model.bytes = std::move(bytes);
  try {
    model.graph = frontend::parse_model(model.bytes, "", {.input_shapes = parse_shapes(flags.shapes)});
    passes::set_batch(*model.graph, flags.batch);
  } catch (Error& error) {
    throw error.add_context(name);
  }
  model.parameters = stored_parameters(*model.graph, model.bytes);
  require_matches("--freeze", flags.freeze, model.parameters);
  require_matches("--train", flags.train, model.parameters);
  for (const Parameter& parameter : model.parameters) {
    if (parameter.is_statistic || matches_any(flags.freeze, parameter)) continue;
    if (flags.train.empty() || matches_any(flags.train, parameter)) model.trained.push_back(parameter.name);
  }
  if (model.trained.empty()) fail(ErrorKind::kUsage, "{}: no parameter is left to train", name);
  return model;
}

training::StepProgram compile_program(const TrainableModel& model, const TrainingFlags& flags, StepKind kind,
                                      const codegen::CompileOptions& options) {
  passes::StepGraph step =
      passes::build_step(*model.graph, model.parameters, model.trained, training_options(flags), kind);
  return {codegen::compile(*step.graph, options), std::move(step.layout)};
}

CompiledStep compile_step(const TrainableModel& model, const TrainingFlags& flags, bool trains,
                          Progress& progress) {
  const auto start = std::chrono::steady_clock::now();
  const passes::TrainingOptions training = training_options(flags);
  const codegen::CompileOptions options{.cpu = flags.cpu, .threads = flags.threads};
  auto compile = [&](const char* what, StepKind kind) {
    progress.show(fmt::format("compiling the {}", what));
    return compile_program(model, flags, kind, options);
  };
  std::optional<training::StepProgram> step, accumulate;
  if (trains) step = compile("training step", StepKind::kStep);
  if (trains && training.accumulate > 1) {
    accumulate = compile("accumulation of gradients", StepKind::kAccumulate);
  }
  training::StepProgram evaluate = compile("evaluation", StepKind::kEvaluate);
  progress.clear();
  std::vector<training::Field> fields = evaluate.layout.fields;
  const size_t output = passes::find_output(*model.graph, training.loss.output);
  const int64_t classes = class_count(evaluate.layout.outputs[output], training.loss);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return {{std::move(step), std::move(accumulate), std::move(evaluate), training.accumulate},
          std::move(fields),
          output,
          classes,
          seconds};
}

}  // namespace dlc::tools
