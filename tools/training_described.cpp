// Runs with the step that a model describes.
#include <algorithm>
#include <set>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "frontend/write_model.h"
#include "passes/training/loss.h"
#include "runtime/error.h"
#include "runtime/program.h"
#include "tools/tool.h"
#include "tools/training_algorithm.h"

namespace dlc::tools {
namespace {

void require_no_other_words(const TrainingFlags& flags) {
  const struct {
    bool is_given;
    const char* flag;
  } rows[] = {{!flags.head.empty(), "--head"},
              {!flags.freeze.empty(), "--freeze"},
              {!flags.train.empty(), "--train"},
              {!flags.lora.empty(), "--lora"},
              {!flags.rate_scales.empty(), "--lr-scale"},
              {!flags.added_dropout.empty(), "--add-dropout"},
              {flags.average > 0, "--ema"},
              {flags.clip_norm > 0, "--clip-norm"},
              {flags.clip_value > 0, "--clip-value"},
              {flags.accumulate > 1, "--accumulate"},
              {flags.normalization != "frozen", "--bn"},
              {flags.processes > 1, "--distributed"}};
  for (const auto& row : rows) {
    if (row.is_given)
      fail(ErrorKind::kUsage, "--algorithm: the model says itself what a step is; {} says otherwise",
           row.flag);
  }
}

// The shapes of all inputs with the batch.
std::map<std::string, std::vector<int64_t>> with_batch(const std::string& model, const TrainingFlags& flags) {
  std::map<std::string, std::vector<int64_t>> shapes = parse_shapes(flags.shapes);
  const auto graph = frontend::parse_model(model, "", {.input_shapes = shapes});
  if (graph->inputs().empty()) fail(ErrorKind::kModel, "the model has no inputs");
  if (auto first = shapes.extract(""); !first.empty()) {
    first.key() = graph->inputs().front()->name();
    shapes.insert(std::move(first));
  }
  for (const ir::Value* input : graph->inputs()) {
    if (input->shape().empty()) fail(ErrorKind::kModel, "input '{}' has no batch axis", input->name());
    auto shape = shapes.try_emplace(input->name(), input->shape().size(), -1).first;
    shape->second[0] = flags.batch;
  }
  return shapes;
}

// What the initialization gives, by initializer.
std::map<std::string, Tensor> initial_values(const frontend::TrainingModel& described,
                                             const std::string& cpu) {
  std::map<std::string, Tensor> result;
  if (described.initialization.empty()) return result;
  const auto graph = frontend::parse_model(described.initialization, "", {});
  const runtime::Program program = codegen::compile(*graph, {.cpu = cpu});
  const std::vector<Tensor> outputs = runtime::Context(program).run(std::vector<Tensor>());
  for (const auto& [initializer, value] : described.initial) {
    const auto& names = graph->output_names();
    const auto found = std::find(names.begin(), names.end(), value);
    if (found == names.end())
      fail(ErrorKind::kModel, "training_info: the initialization gives no '{}'", value);
    result[initializer] = outputs[static_cast<size_t>(found - names.begin())];
  }
  return result;
}

void take_states(TrainableModel& model, const frontend::TrainingModel& described,
                 const TrainingFlags& flags) {
  std::map<std::string, Tensor> values;
  for (const ir::Value* value : model.graph->constants()) values[value->name()] = value->constant();
  for (auto& [name, tensor] : initial_values(described, flags.cpu)) values[name] = tensor;
  const std::set<std::string> stored = frontend::tensor_names(model.bytes);
  for (const auto& [name, next] : described.updates) {
    const auto value = values.find(name);
    if (value == values.end()) fail(ErrorKind::kModel, "training_info: nothing reads '{}'", name);
    if (stored.contains(name) && is_float(value->second.dtype())) {
      model.parameters.push_back({name, value->second, "", false});
      model.trained.push_back(name);
    } else {
      model.other_states[name] = value->second;
    }
  }
}

}  // namespace

TrainableModel open_described(const std::string& name, std::string bytes, const TrainingFlags& flags) {
  require_no_other_words(flags);
  TrainableModel model;
  model.bytes = std::move(bytes);
  try {
    const frontend::TrainingModel described = frontend::read_algorithm(model.bytes);
    if (described.inputs.size() != 1 || described.outputs.empty()) {
      fail(ErrorKind::kModel,
           "training_info: expected one input, the target, and the loss as the first output, found {} and {}",
           described.inputs.size(), described.outputs.size());
    }
    model.graph =
        frontend::parse_model(described.model, "", {.input_shapes = with_batch(described.model, flags)});
    take_states(model, described, flags);
    model.algorithm = passes::AlgorithmGraph{.outputs = described.model_outputs,
                                             .loss = described.outputs.front(),
                                             .updates = described.updates,
                                             .parameters = model.trained};
  } catch (Error& error) {
    throw error.add_context(name);
  }
  return model;
}

StepTask task_of_described(const TrainableModel& model, const TrainingFlags& flags) {
  StepTask task;
  for (const ir::Value* input : model.graph->inputs()) {
    if (!ir::is_static(input->shape())) {
      fail(ErrorKind::kUsage, "'{}' has extents that are not known: {}; --shape fixes them", input->name(),
           to_string(input->type()));
    }
    task.fields.push_back({input->name(), input->dtype(), ir::static_shape(input->shape())});
  }
  task.output = passes::find_output(*model.graph, flags.output);
  const ir::Shape& shape = model.graph->outputs()[task.output]->shape();
  const bool is_of_classes = task.fields.back().dtype == DType::kInt64 && shape.size() > 1;
  if (is_of_classes) task.classes = shape[passes::class_axis(shape.size())].constant().value_or(0);
  return task;
}

}  // namespace dlc::tools
