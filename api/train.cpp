#include "api/train.h"

#include "codegen/compile_step.h"
#include "frontend/read_model.h"
#include "frontend/write_model.h"
#include "passes/training/build_step.h"
#include "passes/training/choose_parameters.h"
#include "passes/training/loss.h"
#include "runtime/data/files.h"
#include "runtime/program.h"
#include "runtime/training/random.h"

namespace dlc::train {
namespace {

using passes::Parameter;
using passes::StepKind;
using training::StateRole;

// A model as it is trained: its graph, with the batch, and its parameters.
struct Opened {
  std::unique_ptr<ir::Graph> graph;
  std::vector<Parameter> parameters;
  std::vector<std::string> trained;
  std::map<std::string, double> rate_scales;

  std::map<std::string, Tensor> states() const {
    std::map<std::string, Tensor> result;
    for (const Parameter& parameter : parameters) result[parameter.name] = parameter.value;
    return result;
  }
};

Opened open(const std::string& path, const std::string& bytes, const std::vector<std::string>& head,
            const Options& options) {
  Opened result;
  try {
    result.graph = frontend::parse_model(bytes, "", {.input_shapes = options.input_shapes});
    passes::set_batch(*result.graph, options.batch);
    passes::ChosenParameters chosen = passes::choose_parameters(*result.graph, frontend::tensor_names(bytes),
                                                                {.freeze = options.freeze,
                                                                 .train = options.train,
                                                                 .adapters = options.lora,
                                                                 .new_head = head,
                                                                 .rate_scales = options.rate_scales});
    result.parameters = std::move(chosen.parameters);
    result.trained = std::move(chosen.trained);
    result.rate_scales = std::move(chosen.rate_scales);
  } catch (Error& error) {
    throw error.add_context(path);
  }
  return result;
}

training::StepProgram compile_program(const Opened& model, const Options& options,
                                      passes::TrainingOptions step, StepKind kind) {
  step.rate_scales = model.rate_scales;
  codegen::CompileOptions compile{.cpu = options.cpu, .threads = options.threads};
  compile.passes.precision = options.precision;
  return codegen::compile_step(passes::build_step(*model.graph, model.parameters, model.trained, step, kind),
                               compile);
}

}  // namespace

// ---- Gradients --------------------------------------------------------------------------------------------

// A program that adds the gradient of a batch to zeros.
struct Gradients::Impl {
  training::StepProgram program;
  runtime::Context context;
  std::map<std::string, Tensor> constants;  // statistics and zeros, by state

  static constexpr int64_t kShare =
      2;  // the program's accumulators take a half of each gradient, which is exact
};

Gradients::Gradients(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gradients::Gradients(Gradients&&) noexcept = default;
Gradients::~Gradients() = default;

const std::vector<training::Field>& Gradients::fields() const { return impl_->program.layout.fields; }

Gradients::Result Gradients::of(const training::Batch& batch,
                                const std::map<std::string, Tensor>& parameters) {
  const training::StepLayout& layout = impl_->program.layout;
  std::vector<Tensor> inputs = batch.fields;
  inputs.push_back(batch.weights);
  inputs.push_back(Tensor::scalar(DType::kFloat, 0));
  inputs.push_back(Tensor::scalar(DType::kInt64, 1));
  inputs.push_back(Tensor::scalar(DType::kInt64, 0));
  for (const training::State& state : layout.states) {
    auto given = parameters.find(state.name);
    auto constant = impl_->constants.find(state.name);
    if (constant == impl_->constants.end() && given == parameters.end()) {
      fail(ErrorKind::kData, "there is no '{}', which the gradient needs", state.name);
    }
    inputs.push_back(given != parameters.end() ? given->second : constant->second);
  }
  const std::vector<Tensor> outputs = impl_->context.run(inputs);
  Result result{.loss = outputs[0].get_double(0), .of = {}};
  const size_t first = training::kScalarOutputs + layout.outputs.size();
  for (size_t i = 0; i < layout.changed.size(); ++i) {
    const training::State& state = layout.states[layout.changed[i]];
    if (state.role != StateRole::kAccumulator) continue;
    Tensor gradient(state.dtype, state.shape);
    for (int64_t k = 0; k < gradient.size(); ++k) {
      gradient.set_double(k, outputs[first + i].get_double(k) * Impl::kShare);
    }
    result.of[state.name.substr(0, state.name.rfind('.'))] = std::move(gradient);
  }
  return result;
}

// ---- Model ------------------------------------------------------------------------------------------------

Model::Model(const std::string& path) : path_(path), bytes_(frontend::pack_model(path)) {}

void Model::replace_head(int64_t classes, uint64_t seed, const std::string& output) {
  training::Random random(seed);
  bytes_ = frontend::replace_head(bytes_, output, classes, [&] { return 2 * random.unit() - 1; });
  const frontend::Head head = frontend::find_head(bytes_, output);
  new_head_.insert(new_head_.end(), {head.weight, head.bias});
}

std::map<std::string, Tensor> Model::trained(const Options& options) const {
  const Opened model = open(path_, bytes_, new_head_, options);
  const std::map<std::string, Tensor> all = model.states();
  std::map<std::string, Tensor> result;
  for (const std::string& name : model.trained) result[name] = all.at(name);
  return result;
}

std::unique_ptr<training::Stepper> Model::compile(const Options& options) const {
  const Opened model = open(path_, bytes_, new_head_, options);
  auto program = [&](StepKind kind) { return compile_program(model, options, options.step, kind); };
  training::StepPrograms programs{.step = program(StepKind::kStep),
                                  .accumulate = {},
                                  .evaluate = program(StepKind::kEvaluate),
                                  .batches_per_step = options.step.accumulate};
  if (options.step.accumulate > 1) programs.accumulate = program(StepKind::kAccumulate);
  return std::make_unique<training::Stepper>(std::move(programs), model.states(),
                                             runtime::ContextOptions{.threads = options.threads});
}

Gradients Model::compile_gradients(const Options& options) const {
  const Opened model = open(path_, bytes_, new_head_, options);
  passes::TrainingOptions step = options.step;
  step.accumulate = Gradients::Impl::kShare;
  training::StepProgram program = compile_program(model, options, step, StepKind::kAccumulate);
  runtime::Context context(program.program, {.threads = options.threads});
  std::map<std::string, Tensor> constants;
  const std::map<std::string, Tensor> values = model.states();
  for (const training::State& state : program.layout.states) {
    if (state.role == StateRole::kStatistic) constants[state.name] = values.at(state.name);
    const bool is_zero = state.role == StateRole::kAccumulator || state.role == StateRole::kMoment;
    if (is_zero) constants[state.name] = Tensor(state.dtype, state.shape);
  }
  return Gradients(std::unique_ptr<Gradients::Impl>(
      new Gradients::Impl{std::move(program), std::move(context), std::move(constants)}));
}

size_t Model::output_of(const Options& options) const {
  return passes::find_output(*open(path_, bytes_, new_head_, options).graph, options.step.loss.output);
}

int64_t Model::classes_of(const Options& options) const {
  if (!passes::takes_classes(options.step.loss.kind)) return 0;
  const Opened model = open(path_, bytes_, new_head_, options);
  const ir::Value* output =
      model.graph->outputs()[passes::find_output(*model.graph, options.step.loss.output)];
  const ir::Shape& shape = output->shape();
  if (shape.empty()) return 0;
  return shape[static_cast<size_t>(passes::class_axis(shape.size()))].constant().value_or(0);
}

std::string Model::hash() const { return training::hash_of_model(bytes_); }

void Model::save(const std::string& path, const training::Stepper& stepper, const Options& options) const {
  const auto states = stepper.states({StateRole::kParameter, StateRole::kStatistic});
  std::map<std::string, Tensor> tensors(states.begin(), states.end());
  for (const auto& [name, average] : stepper.states({StateRole::kAverage})) {
    Tensor& tensor = tensors.at(name.substr(0, name.size() - training::kAverageEnding.size()));
    tensor = training::converted(average, tensor.dtype());
  }
  if (options.lora) {
    const auto model = frontend::parse_model(bytes_, "", {});
    tensors = passes::merge_adapters(*model, options.lora->options, std::move(tensors));
  }
  save(path, tensors);
}

void Model::save(const std::string& path, const std::map<std::string, Tensor>& parameters) const {
  data::write_file(path, frontend::with_values(bytes_, parameters));
}

}  // namespace dlc::train
