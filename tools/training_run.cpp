#include "tools/training_run.h"

#include <malloc.h>

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "codegen/compile_step.h"
#include "frontend/read_model.h"
#include "frontend/write_model.h"
#include "passes/training/choose_parameters.h"
#include "passes/training/loss.h"
#include "passes/training/training_form.h"
#include "runtime/error.h"
#include "runtime/model/api.h"
#include "runtime/training/checkpoint.h"
#include "runtime/training/random.h"
#include "tools/spec.h"
#include "tools/tool.h"
#include "tools/training_algorithm.h"

namespace dlc::tools {
namespace {

using passes::Parameter;
using passes::StepKind;

// Weight and bias of a new head, which are random.
std::vector<std::string> new_head(const std::string& bytes, const TrainingFlags& flags) {
  if (flags.head.empty()) return {};
  const frontend::Head head = frontend::find_head(bytes, flags.output);
  return {head.weight, head.bias};
}

std::string memory_plan(const FittedStep& step) {
  std::string text = fmt::format("a step takes {}; {} wait for the backward pass", format_bytes(step.bytes),
                                 format_bytes(step.plan.saved_bytes));
  if (step.plan.recomputed_nodes == 0) return text + "\n";
  return text + fmt::format(", which computes {} nodes again instead of keeping {}\n",
                            step.plan.recomputed_nodes, format_bytes(step.plan.recomputed_bytes));
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
  std::map<std::string, Tensor> result = other_states;
  for (const Parameter& parameter : parameters) result[parameter.name] = parameter.value;
  return result;
}

TrainableModel open_model(const std::string& name, std::string bytes, const TrainingFlags& flags) {
  if (flags.algorithm) return open_described(name, std::move(bytes), flags);
  TrainableModel model;
  model.bytes = std::move(bytes);
  try {
    model.graph = frontend::parse_model(model.bytes, "", {.input_shapes = parse_shapes(flags.shapes)});
    passes::set_batch(*model.graph, flags.batch);
  } catch (Error& error) {
    throw error.add_context(name);
  }
  passes::ParameterChoice choice = parameter_choice(flags);
  choice.new_head = new_head(model.bytes, flags);
  passes::ChosenParameters chosen =
      passes::choose_parameters(*model.graph, frontend::tensor_names(model.bytes), choice);
  model.parameters = std::move(chosen.parameters);
  model.trained = std::move(chosen.trained);
  model.rate_scales = std::move(chosen.rate_scales);
  for (const AddedDropout& added : added_dropout(flags)) {
    if (passes::add_dropout(*model.graph, added.pattern, added.ratio) == 0)
      fail(ErrorKind::kUsage, "--add-dropout: no node matches '{}'", added.pattern);
  }
  return model;
}

void release(TrainableModel& model) {
  std::string().swap(model.bytes);  // an assignment of an empty string would keep the memory
  model = {};
  malloc_trim(0);
}

StepTask task_of(const TrainableModel& model, const TrainingFlags& flags) {
  if (model.algorithm) return task_of_described(model, flags);
  const passes::LossOptions loss = training_options(flags).loss;
  StepTask task{.fields = passes::batch_fields(*model.graph, loss),
                .output = passes::find_output(*model.graph, loss.output)};
  const ir::Shape& shape = model.graph->outputs()[task.output]->shape();
  if (passes::takes_classes(loss.kind))
    task.classes = shape[static_cast<size_t>(passes::class_axis(shape.size()))].value();
  return task;
}

passes::StepGraph build_graph(const TrainableModel& model, const ir::Graph& graph, const TrainingFlags& flags,
                              StepKind kind, passes::Recompute what) {
  if (model.algorithm) {
    const bool is_known = kind == StepKind::kStep || kind == StepKind::kEvaluate;
    if (!is_known) fail(ErrorKind::kUsage, "--algorithm: the model's own step has no such part");
    return passes::build_algorithm_step(graph, *model.algorithm, kind);
  }
  passes::TrainingOptions training = training_options(flags);
  training.rate_scales = model.rate_scales;
  training.recompute = what;
  return passes::build_step(graph, model.parameters, model.trained, training, kind);
}

training::StepProgram compile_program(const TrainableModel& model, const ir::Graph& graph,
                                      const TrainingFlags& flags, StepKind kind,
                                      const codegen::CompileOptions& options) {
  return codegen::compile_step(build_graph(model, graph, flags, kind), options);
}

FittedStep compile_fitted(const TrainableModel& model, const ir::Graph& graph, const TrainingFlags& flags,
                          StepKind kind, const codegen::CompileOptions& options) {
  using passes::Recompute;
  auto compile = [&](Recompute what) {
    passes::StepGraph step = build_graph(model, graph, flags, kind, what);
    const passes::RecomputePlan plan = step.recompute;
    training::StepProgram program = codegen::compile_step(std::move(step), options);
    const int64_t bytes =
        dlc_model_arena_bytes(&program.program.model(), nullptr) + training::state_bytes(program);
    return FittedStep{std::move(program), what, plan, bytes};
  };
  FittedStep step = compile(Recompute::kNothing);
  const int64_t limit = flags.max_megabytes > 0 ? megabytes(flags.max_megabytes) : INT64_MAX;
  const int64_t states = training::state_bytes(step.step);
  int64_t least = step.bytes;
  for (Recompute what :
       {Recompute::kCheap, Recompute::kAllButProducts, Recompute::kThinProducts, Recompute::kProducts}) {
    if (step.bytes <= limit) return step;
    passes::StepGraph tried = build_graph(model, graph, flags, kind, what);
    const int64_t planned = states + codegen::plan_arena(std::move(tried.graph), options);
    if (planned <= limit) step = compile(what);
    least = std::min({least, planned, step.bytes});
  }
  if (step.bytes <= limit) return step;
  fail(ErrorKind::kUsage,
       "--max-memory {}: a step takes {} even where the backward pass computes again all that it may; a "
       "smaller "
       "--batch takes less, and --accumulate makes steps of several",
       flags.max_megabytes, format_bytes(least));
}

codegen::CompileOptions compile_options(const TrainingFlags& flags) {
  codegen::CompileOptions options{.cpu = flags.cpu, .threads = flags.threads};
  options.passes.precision = passes::parse_precision(flags.precision);
  return options;
}

CompiledStep compile_step(const TrainableModel& model, const ir::Graph& graph, const TrainingFlags& flags,
                          bool trains, Progress& progress) {
  const passes::TrainingOptions training = training_options(flags);
  const codegen::CompileOptions options = compile_options(flags);
  std::optional<training::StepProgram> step, accumulate;
  std::string memory;
  if (trains) {
    progress.show("compiling the training step");
    FittedStep fitted = compile_fitted(model, graph, flags, StepKind::kStep, options);
    memory = memory_plan(fitted);
    step = std::move(fitted.step);
  }
  if (trains && training.accumulate > 1) {
    progress.show("compiling the accumulation of gradients");
    accumulate = compile_fitted(model, graph, flags, StepKind::kAccumulate, options).step;
  }
  progress.show("compiling the evaluation");
  training::StepProgram evaluate = compile_program(model, graph, flags, StepKind::kEvaluate, options);
  progress.clear();
  return {{std::move(step), std::move(accumulate), std::move(evaluate), training.accumulate}, memory};
}

}  // namespace dlc::tools
