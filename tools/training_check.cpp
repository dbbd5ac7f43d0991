#include "tools/training_check.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "passes/training/widen.h"
#include "runtime/data/files.h"
#include "runtime/training/random.h"
#include "tools/bench.h"
#include "tools/inputs.h"
#include "tools/profile.h"
#include "tools/training_run.h"

namespace dlc::tools {
namespace {

using passes::StepKind;
using training::StepLayout;

// What a program of a step takes, with random data.
std::vector<Tensor> inputs_of(const StepLayout& layout, const std::map<std::string, Tensor>& states,
                              const TrainingFlags& flags, double rate) {
  std::vector<Tensor> inputs;
  for (const training::Field& field : layout.fields) {
    inputs.push_back(random_tensor(field.dtype, field.shape, field.name, flags.seed));
  }
  Tensor weights(DType::kFloat, {flags.batch});
  for (int64_t i = 0; i < weights.size(); ++i) weights.set_double(i, 1);
  inputs.push_back(weights);
  inputs.push_back(Tensor::scalar(DType::kFloat, rate));
  inputs.push_back(Tensor::scalar(DType::kInt64, 1));
  inputs.push_back(Tensor::scalar(DType::kInt64, 0));
  for (const training::State& state : layout.states) {
    auto it = states.find(state.name);
    inputs.push_back(it == states.end() ? Tensor(state.dtype, state.shape) : it->second);
  }
  return inputs;
}

double norm(const std::vector<double>& x) {
  double sum = 0;
  for (double value : x) sum += value * value;
  return std::sqrt(sum);
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

std::vector<double> values_of(const Tensor& tensor) {
  std::vector<double> result(static_cast<size_t>(tensor.size()));
  for (size_t i = 0; i < result.size(); ++i) result[i] = tensor.get_double(static_cast<int64_t>(i));
  return result;
}

// The model in double precision with its gradients.
class GradientChecker {
 public:
  GradientChecker(TrainableModel model, const TrainingFlags& flags) : random_(flags.seed) {
    passes::widen(*model.graph);
    for (passes::Parameter& parameter : model.parameters) {
      parameter.value = training::converted(parameter.value, DType::kDouble);
    }
    program_ = compile_program(model, *model.graph, flags, StepKind::kGradients, {.cpu = flags.cpu});
    context_.emplace(program_->program, runtime::ContextOptions{.threads = flags.threads});
    inputs_ = inputs_of(program_->layout, model.states(), flags, 0);
    outputs_ = context_->run(inputs_);
  }

  // False where the gradient of a parameter is not confirmed.
  bool check(size_t changed) {
    const StepLayout& layout = program_->layout;
    const size_t state = layout.changed[changed];
    const size_t input = layout.fields.size() + training::kScalarInputs + state;
    const std::vector<double> w = values_of(inputs_[input]);
    const std::vector<double> gradient =
        values_of(outputs_[training::kScalarOutputs + layout.outputs.size() + changed]);
    const std::vector<double> direction = direction_of(gradient);
    const double expected = dot(gradient, direction);
    const double loss = std::abs(outputs_[0].get_double(0));
    // Where a step crosses a kink (of Relu, of a maximum) the difference is off; a shorter one does not.
    double found = 0;
    bool agrees = false;
    for (double step = kStep * std::max(norm(w), 1.0); step >= kShortest && !agrees; step /= kShorter) {
      found = (loss_at(input, w, direction, step) - loss_at(input, w, direction, -step)) / (2 * step);
      agrees = std::abs(found - expected) <=
               kTolerance * std::abs(expected) + kNoise * std::max(loss, 1e-3) / step;
    }
    fmt::print("{:<48} {:>18.10g} {:>18.10g}  {}\n", layout.states[state].name, expected, found,
               agrees ? "ok" : "DIFFERS");
    return agrees;
  }

  const StepLayout& layout() const { return program_->layout; }

 private:
  static constexpr double kStep = 1e-5;  // of the length of a parameter
  static constexpr double kShortest = 1e-9;
  static constexpr double kShorter = 16;
  static constexpr double kTolerance = 1e-5;
  static constexpr double kNoise = 1e-14;  // of losses, which many roundings have led to

  // The gradient's own and a random one, of equal lengths.
  std::vector<double> direction_of(const std::vector<double>& gradient) {
    std::vector<double> direction(gradient.size());
    for (double& value : direction) value = 2 * random_.unit() - 1;
    const double length = std::max(norm(direction), 1e-300);
    const double slope = norm(gradient);
    for (size_t i = 0; i < gradient.size(); ++i) {
      direction[i] = direction[i] / length + (slope > 0 ? gradient[i] / slope : 0);
    }
    return direction;
  }

  double loss_at(size_t input, const std::vector<double>& w, const std::vector<double>& direction,
                 double step) {
    std::vector<Tensor> inputs = inputs_;
    Tensor moved(inputs[input].dtype(), inputs[input].shape());
    for (size_t i = 0; i < w.size(); ++i)
      moved.set_double(static_cast<int64_t>(i), w[i] + step * direction[i]);
    inputs[input] = moved;
    return context_->run(inputs)[0].get_double(0);
  }

  training::Random random_;
  std::optional<training::StepProgram> program_;
  std::optional<runtime::Context> context_;
  std::vector<Tensor> inputs_;
  std::vector<Tensor> outputs_;
};

}  // namespace

int check_gradients(const std::string& model, const TrainingFlags& flags) {
  GradientChecker checker(open_model(model, prepare_model(model, flags), flags), flags);
  fmt::print("{:<48} {:>18} {:>18}\n", "derivative of the loss by", "by gradient", "by differences");
  size_t wrong = 0;
  const size_t count = checker.layout().changed.size();
  size_t checked = 0;
  for (size_t i = 0; i < count; ++i) {
    if (checker.layout().states[checker.layout().changed[i]].role != training::StateRole::kParameter)
      continue;
    ++checked;
    wrong += checker.check(i) ? 0 : 1;
  }
  fmt::print("{} of {} parameters agree\n", checked - wrong, checked);
  return wrong == 0 ? kExitDone : kExitFailed;
}

int bench_step(const std::string& model, const TrainingFlags& flags, const StepBenchOptions& options) {
  TrainableModel opened = open_model(model, prepare_model(model, flags), flags);
  const auto start = std::chrono::steady_clock::now();
  codegen::CompileOptions compile = compile_options(flags);
  compile.profile = !options.profile.empty();
  const FittedStep fitted = compile_fitted(opened, *opened.graph, flags, StepKind::kStep, compile);
  const training::StepProgram& step = fitted.step;
  const std::chrono::duration<double, std::milli> compiled = std::chrono::steady_clock::now() - start;
  // The step changes its states, which must not be those of the model; that is of no more use.
  std::map<std::string, Tensor> states = opened.states();
  for (auto& [name, tensor] : states) tensor = training::copy_of(tensor);
  release(opened);
  std::vector<Value> inputs;
  for (Tensor& tensor : inputs_of(step.layout, states, flags, learning_rate(flags)))
    inputs.emplace_back(std::move(tensor));
  states.clear();
  if (!options.profile.empty()) {
    write_profile(step.program, inputs, flags.threads, options.seconds, options.profile);
    return kExitDone;
  }
  const LoadedModel loaded{
      .program = step.program, .compile_ms = compiled.count(), .load_ms = compiled.count()};
  const BenchResult result =
      run_bench(loaded, inputs, {.seconds = options.seconds, .threads = flags.threads});
  fmt::print("{}\n", options.json ? format_json(result) : format_text(result));
  return kExitDone;
}

}  // namespace dlc::tools
