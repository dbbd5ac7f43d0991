// Steps that change states in their own memory, against steps that write the next values elsewhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "codegen/compile_step.h"
#include "frontend/read_model.h"
#include "tests/numeric/training/recording.h"

namespace dlc::test {
namespace {

using passes::OptimizerKind;
using passes::StepKind;
using passes::TrainingOptions;
using training::StateRole;

struct InPlaceCase {
  const char* name;
  TrainingOptions options;
  // Of what a step changes, in percent of the bytes: that much is changed in place.
  int64_t least;
};

void PrintTo(const InPlaceCase& item, std::ostream* stream) { *stream << item.name; }

class InPlace : public testing::TestWithParam<InPlaceCase> {
 protected:
  InPlace() : model_(frontend::read_model(fixture(std::string(GetParam().name) + ".onnx"), {})) {
    parameters_ = passes::find_parameters(*model_);
    for (const passes::Parameter& parameter : parameters_) {
      states_[parameter.name] = parameter.value;
      if (!parameter.is_statistic) trained_.push_back(parameter.name);
    }
  }

  training::StepProgram program(StepKind kind, bool is_in_place = true) const {
    passes::StepGraph step = passes::build_step(*model_, parameters_, trained_, GetParam().options, kind);
    if (is_in_place) return codegen::compile_step(std::move(step), {});
    return {codegen::compile(*step.graph, {}), std::move(step.layout)};
  }

  std::unique_ptr<training::Stepper> stepper(bool is_in_place) const {
    training::StepPrograms programs{.step = program(StepKind::kStep, is_in_place),
                                    .accumulate = {},
                                    .evaluate = program(StepKind::kEvaluate),
                                    .batches_per_step = GetParam().options.accumulate};
    if (GetParam().options.accumulate > 1) programs.accumulate = program(StepKind::kAccumulate, is_in_place);
    return std::make_unique<training::Stepper>(std::move(programs), states_,
                                               runtime::ContextOptions{.threads = 2});
  }

  std::unique_ptr<ir::Graph> model_;
  std::vector<passes::Parameter> parameters_;
  std::vector<std::string> trained_;
  std::map<std::string, Tensor> states_;
};

training::Batch batch_of(const Recording& recording, int number) {
  const std::string suffix = std::to_string(number % 4);
  training::Batch batch;
  batch.fields = {recording.at("input." + suffix), recording.at("target." + suffix)};
  batch.count = batch.fields[0].shape()[0];
  batch.weights = Tensor(DType::kFloat, {batch.count});
  for (int64_t i = 0; i < batch.count; ++i) batch.weights.set_double(i, 1);
  return batch;
}

TEST_P(InPlace, GivesTheSameToTheLastBit) {
  const Recording recording(GetParam().name);
  const auto apart = stepper(false);
  const auto in_place = stepper(true);
  for (int step = 0; step < 6; ++step) {
    const training::Batch batch = batch_of(recording, step);
    EXPECT_EQ(in_place->step(batch, 1e-2).loss, apart->step(batch, 1e-2).loss) << step;
  }
  const auto all = {StateRole::kParameter, StateRole::kStatistic, StateRole::kMoment, StateRole::kAccumulator,
                    StateRole::kAverage};
  const auto expected = apart->states(all);
  const auto found = in_place->states(all);
  int64_t bytes = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const Tensor& tensor = expected[i].second;
    bytes += tensor.byte_size();
    EXPECT_EQ(std::memcmp(found[i].second.data(), tensor.data(), static_cast<size_t>(tensor.byte_size())), 0)
        << expected[i].first;
  }
  EXPECT_EQ(apart->state_bytes(), 2 * bytes);
  const int64_t saved = apart->state_bytes() - in_place->state_bytes();
  EXPECT_GE(100 * saved, GetParam().least * bytes) << saved << " of " << bytes;
}

INSTANTIATE_TEST_SUITE_P(
    All, InPlace,
    testing::Values(
        InPlaceCase{
            "transformer",
            {.optimizer = {.kind = OptimizerKind::kAdamW, .weight_decay = 0.1}, .clip = {.norm = 0.5}},
            90},
        InPlaceCase{"mlp",
                    {.loss = {.kind = passes::LossKind::kMse},
                     .optimizer = {.kind = OptimizerKind::kAdam, .weight_decay = 0.1},
                     .average = 0.9},
                    60},
        InPlaceCase{"mobilenet",
                    {.optimizer = {.kind = OptimizerKind::kSgd, .momentum = 0.9, .nesterov = true},
                     .normalization = passes::NormalizationMode::kTrain},
                    60},
        InPlaceCase{"lstm", {.optimizer = {.kind = OptimizerKind::kAdagrad}}, 60},
        InPlaceCase{"temporal",
                    {.loss = {.kind = passes::LossKind::kMse}, .optimizer = {.kind = OptimizerKind::kLion}},
                    60},
        InPlaceCase{"lenet", {.optimizer = {.kind = OptimizerKind::kAdamW}, .accumulate = 2}, 60}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace dlc::test
