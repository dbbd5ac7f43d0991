#include "tests/unit/runtime/training/tiny_training.h"

#include <cmath>
#include <limits>

#include "codegen/compile_step.h"
#include "ir/op.h"
#include "ir/text.h"
#include "passes/training/build_step.h"
#include "runtime/training/random.h"

namespace dlc::training {
namespace {

constexpr int64_t kBatch = 8;

const char* const kModel = R"(graph tiny(%x: f32[8, 2]) {
  %w1 = const f32[2, 4] {0.5, -0.3, 0.2, 0.7, -0.6, 0.4, 0.1, -0.2}
  %scale = const f32[4] {1, 1.5, 1, 0.5}
  %bias = const f32[4] {0, 0.25, 0.5, 0}
  %mean = const f32[4] {0, 0, 0, 0.5}
  %variance = const f32[4] {1, 1, 1, 2}
  %ratio = const f32[] {0.25}
  %w2 = const f32[4, 2] {0.3, -0.3, 0.2, 0.1, -0.5, 0.4, 0.6, -0.1}
  %h = MatMul(%x, %w1)
  %n = BatchNormalization(%h, %scale, %bias, %mean, %variance)
  %a = Tanh(%n)
  %d = Dropout(%a, %ratio) @"drop"
  %y = MatMul(%d, %w2)
  return %y as "logits"
}
)";

const std::vector<passes::Parameter>& parameters() {
  static const std::vector<passes::Parameter> result = passes::find_parameters(*ir::parse_graph(kModel));
  return result;
}

LoaderOptions loader_options() { return {.batch = kBatch, .seed = 5, .threads = 2}; }

StepProgram compiled(passes::StepKind kind) {
  passes::StepGraph step = tiny_graph(kind);
  return codegen::compile_step(std::move(step), {});
}

}  // namespace

passes::StepGraph tiny_graph(passes::StepKind kind) {
  const passes::TrainingOptions options{.optimizer = {.kind = passes::OptimizerKind::kSgd, .momentum = 0.9},
                                        .normalization = passes::NormalizationMode::kTrain,
                                        .accumulate = 2,
                                        .average = 0.8};
  std::vector<std::string> trained;
  for (const passes::Parameter& parameter : parameters()) {
    if (!parameter.is_statistic) trained.push_back(parameter.name);
  }
  return passes::build_step(*ir::parse_graph(kModel), parameters(), trained, options, kind);
}

const StepPrograms& tiny_programs() {
  static const StepPrograms programs{compiled(passes::StepKind::kStep),
                                     compiled(passes::StepKind::kAccumulate),
                                     compiled(passes::StepKind::kEvaluate), 2};
  return programs;
}

std::map<std::string, Tensor> tiny_states() {
  std::map<std::string, Tensor> result;
  for (const passes::Parameter& parameter : parameters()) result[parameter.name] = parameter.value;
  return result;
}

std::unique_ptr<Dataset> tiny_data(bool with_nan) {
  constexpr int64_t kSamples = 50;
  Tensor x(DType::kFloat, {kSamples, 2});
  Tensor target(DType::kInt64, {kSamples});
  Random random(11);
  for (int64_t i = 0; i < kSamples; ++i) {
    const auto label = static_cast<int64_t>(random.below(2));
    target.set_int(i, label);
    x.set_double(2 * i, random.unit() + (label == 0 ? -0.7 : 0.7));
    x.set_double(2 * i + 1, random.unit() - 0.5);
  }
  if (with_nan) x.set_double(20, std::numeric_limits<double>::quiet_NaN());
  std::vector<Column> columns;
  columns.push_back({x, tiny_programs().step->layout.fields[0], {}});
  columns.push_back({target, tiny_programs().step->layout.fields[1], {}});
  return make_array_dataset(std::move(columns));
}

TinyRun::TinyRun(TrainerOptions options, bool with_nan)
    : data_(tiny_data(with_nan)),
      parts_(split(*data_, 0.2)),
      training_(*data_, parts_.training, tiny_programs().step->layout.fields, loader_options()),
      validation_(*data_, parts_.validation, tiny_programs().step->layout.fields,
                  {.batch = kBatch, .shuffle = false}),
      stepper_(tiny_programs(), tiny_states(), {.threads = 1}),
      trainer_(std::make_unique<Trainer>(stepper_, training_, &validation_, std::move(options))) {
  trainer_->set_model_hash("tiny");
}

}  // namespace dlc::training
