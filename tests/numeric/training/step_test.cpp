// Training steps against PyTorch's: gradients of the first one, the losses of twenty, and what they lead to.
#include <gtest/gtest.h>

#include <cmath>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "ir/op.h"
#include "ir/text.h"
#include "passes/training/build_step.h"
#include "runtime/error.h"
#include "tests/numeric/training/recording.h"

namespace dlc::test {
namespace {

using passes::LossKind;
using passes::OptimizerKind;
using passes::StepKind;
using passes::TrainingOptions;

constexpr int kSteps = 20;
constexpr int kBatches = 4;

// Compiled steps with their states.
class Session {
 public:
  // Trains the parameters of `names`; empty: all.
  Session(const ir::Graph& model, const TrainingOptions& options, StepKind kind = StepKind::kStep,
          const std::map<std::string, Tensor>& names = {})
      : parameters_(passes::find_parameters(model)) {
    std::vector<std::string> trained;
    for (const passes::Parameter& parameter : parameters_) {
      states_[parameter.name] = parameter.value;
      const bool is_wanted = names.empty() || names.contains(parameter.name);
      if (is_wanted && !parameter.is_statistic) trained.push_back(parameter.name);
    }
    passes::StepGraph step = passes::build_step(model, parameters_, trained, options, kind);
    layout_ = step.layout;
    recompute_ = step.recompute;
    for (const training::State& state : layout_.states) {
      if (!states_.contains(state.name)) states_[state.name] = Tensor(state.dtype, state.shape);
    }
    program_ = std::make_unique<runtime::Program>(codegen::compile(*step.graph, {}));
    context_ = std::make_unique<runtime::Context>(*program_, runtime::ContextOptions{.threads = 1});
  }

  // Returns the loss.
  double run(const Tensor& input, const Tensor& target, double rate, int64_t step) {
    Tensor weights(DType::kFloat, {input.shape()[0]});
    for (int64_t i = 0; i < weights.size(); ++i) weights.set_double(i, 1);
    std::vector<Tensor> inputs = {input,
                                  target,
                                  weights,
                                  Tensor::scalar(DType::kFloat, rate),
                                  Tensor::scalar(DType::kInt64, static_cast<double>(step)),
                                  Tensor::scalar(DType::kInt64, static_cast<double>(step))};
    for (const training::State& state : layout_.states) inputs.push_back(states_.at(state.name));
    outputs_ = context_->run(inputs);
    size_t at = training::kScalarOutputs + layout_.outputs.size();
    for (size_t i : layout_.changed) states_.at(layout_.states[i].name) = outputs_[at++];
    return outputs_[0].get_double(0);
  }

  const Tensor& output(size_t i) const { return outputs_[i]; }
  const std::map<std::string, Tensor>& states() const { return states_; }
  void set_states(const std::map<std::string, Tensor>& states) { states_ = states; }
  const training::StepLayout& layout() const { return layout_; }
  const passes::RecomputePlan& recompute() const { return recompute_; }

 private:
  std::vector<passes::Parameter> parameters_;
  training::StepLayout layout_;
  passes::RecomputePlan recompute_;
  std::map<std::string, Tensor> states_;
  std::unique_ptr<runtime::Program> program_;
  std::unique_ptr<runtime::Context> context_;
  std::vector<Tensor> outputs_;
};

struct NetworkCase {
  const char* name;
  TrainingOptions options;
  double rate;
};

void PrintTo(const NetworkCase& item, std::ostream* stream) { *stream << item.name; }

class Network : public testing::TestWithParam<NetworkCase> {};

std::unique_ptr<ir::Graph> model_of(const NetworkCase& network) {
  return frontend::read_model(fixture(std::string(network.name) + ".onnx"), {});
}

// Steps of plain gradient descent with a rate of 1 move parameters by their gradients.
TEST_P(Network, HasTheGradientsOfPyTorch) {
  const Recording recording(GetParam().name);
  TrainingOptions options = GetParam().options;
  options.optimizer = {.kind = OptimizerKind::kSgd};
  options.clip = {};
  Session session(*model_of(GetParam()), options, StepKind::kStep, recording.below("gradient."));
  const std::map<std::string, Tensor> before = session.states();
  session.run(recording.at("input.0"), recording.at("target.0"), 1, 1);
  const std::map<std::string, Tensor> gradients = recording.below("gradient.");
  double squares = 0;
  for (const auto& [name, expected] : gradients) {
    ASSERT_TRUE(before.contains(name)) << name << " is no parameter";
    Tensor moved(DType::kFloat, expected.shape());
    double largest = 0;
    for (int64_t i = 0; i < expected.size(); ++i) {
      moved.set_double(i, before.at(name).get_double(i) - session.states().at(name).get_double(i));
      largest = std::max(largest, std::abs(expected.get_double(i)));
      squares += expected.get_double(i) * expected.get_double(i);
    }
    // The difference of two parameters near 1 has an error of its own.
    ASSERT_GT(largest, 1e-4) << name;
    expect_near(moved, expected, 1e-5 + 2e-7 / largest, name);
  }
  EXPECT_NEAR(session.output(1).get_double(0), std::sqrt(squares), 1e-4 * std::sqrt(squares));
}

TEST_P(Network, GoesDownTheCurveOfPyTorch) {
  const Recording recording(GetParam().name);
  Session session(*model_of(GetParam()), GetParam().options, StepKind::kStep, recording.below("gradient."));
  for (int step = 0; step < kSteps; ++step) {
    const std::string batch = std::to_string(step % kBatches);
    const double loss = session.run(recording.at("input." + batch), recording.at("target." + batch),
                                    GetParam().rate, step + 1);
    const double expected = recording.at("losses").get_double(step);
    ASSERT_NEAR(loss, expected, 1e-4 * expected) << "step " << step + 1;
  }
  for (const auto& [name, expected] : recording.below("final.")) {
    if (session.states().contains(name)) expect_near(session.states().at(name), expected, 1e-3, name);
  }
}

// What the backward pass computes again changes the numbers by rounding alone, and something is computed
// again.
TEST_P(Network, ComputesValuesAgainWithTheSameResult) {
  const Recording recording(GetParam().name);
  auto model = model_of(GetParam());
  TrainingOptions options = GetParam().options;
  Session plain(*model, options);
  int64_t kept = plain.recompute().saved_bytes;
  EXPECT_EQ(plain.recompute().recomputed_nodes, 0U);
  for (passes::Recompute what : {passes::Recompute::kCheap, passes::Recompute::kAllButProducts}) {
    options.recompute = what;
    Session again(*model, options);
    EXPECT_GT(again.recompute().recomputed_nodes, 0U);
    EXPECT_LE(again.recompute().saved_bytes, kept);
    kept = again.recompute().saved_bytes;
    Session reference(*model, GetParam().options);
    for (int step = 0; step < 3; ++step) {
      const Tensor& input = recording.at("input." + std::to_string(step));
      const Tensor& target = recording.at("target." + std::to_string(step));
      const double expected = reference.run(input, target, GetParam().rate, step + 1);
      EXPECT_NEAR(again.run(input, target, GetParam().rate, step + 1), expected, 1e-5 * expected);
    }
  }
}

passes::OptimizerOptions sgd(double momentum) { return {.kind = OptimizerKind::kSgd, .momentum = momentum}; }
passes::OptimizerOptions adamw(double decay) {
  return {.kind = OptimizerKind::kAdamW, .weight_decay = decay};
}

INSTANTIATE_TEST_SUITE_P(
    All, Network,
    testing::Values(
        NetworkCase{"lenet",
                    {.optimizer = {.kind = OptimizerKind::kSgd, .momentum = 0.9, .weight_decay = 1e-2}},
                    0.05},
        NetworkCase{
            "mlp", {.loss = {.kind = LossKind::kMse}, .optimizer = {.kind = OptimizerKind::kAdam}}, 1e-2},
        NetworkCase{"transformer",
                    {.loss = {.label_smoothing = 0.1},
                     .optimizer = {.kind = OptimizerKind::kAdamW, .weight_decay = 0.1},
                     .clip = {.norm = 0.5}},
                    2e-2},
        NetworkCase{
            "mobilenet",
            {.optimizer =
                 {.kind = OptimizerKind::kSgd, .momentum = 0.9, .nesterov = true, .weight_decay = 1e-3},
             .normalization = passes::NormalizationMode::kTrain},
            0.1},
        NetworkCase{"lstm", {.optimizer = {.kind = OptimizerKind::kAdagrad, .epsilon = 1e-10}}, 0.1},
        NetworkCase{"resnet", {.optimizer = sgd(0.9)}, 0.05},
        NetworkCase{"unet", {.optimizer = {.kind = OptimizerKind::kAdam}}, 5e-3},
        NetworkCase{
            "gru",
            {.loss = {.kind = LossKind::kHuber, .delta = 0.8}, .optimizer = {.kind = OptimizerKind::kAdam}},
            1e-2},
        NetworkCase{"rnn", {.loss = {.kind = LossKind::kNll}, .optimizer = sgd(0)}, 0.1},
        NetworkCase{"llama", {.optimizer = adamw(0.1), .clip = {.norm = 1}}, 3e-3},
        NetworkCase{"norms", {.loss = {.kind = LossKind::kBinary}, .optimizer = sgd(0.9)}, 0.05},
        NetworkCase{"textcnn", {.optimizer = {.kind = OptimizerKind::kAdagrad, .epsilon = 1e-10}}, 0.05},
        NetworkCase{
            "video", {.optimizer = {.kind = OptimizerKind::kSgd, .momentum = 0.8, .nesterov = true}}, 0.1},
        NetworkCase{"activations", {.loss = {.kind = LossKind::kL1}, .optimizer = sgd(0)}, 0.01},
        NetworkCase{"siamese",
                    {.loss = {.kind = LossKind::kBinary}, .optimizer = {.kind = OptimizerKind::kAdam}},
                    1e-2},
        NetworkCase{"autoencoder",
                    {.loss = {.kind = LossKind::kMse}, .optimizer = {.kind = OptimizerKind::kAdam}},
                    1e-2},
        NetworkCase{
            "student", {.loss = {.kind = LossKind::kKl}, .optimizer = {.kind = OptimizerKind::kAdam}}, 1e-2},
        NetworkCase{"excite", {.optimizer = adamw(0.05)}, 1e-2},
        NetworkCase{
            "temporal",
            {.loss = {.kind = LossKind::kMse}, .optimizer = {.kind = OptimizerKind::kLion, .beta2 = 0.99}},
            1e-3},
        NetworkCase{"vit", {.optimizer = adamw(0.1)}, 3e-3},
        NetworkCase{"shuffle", {.optimizer = sgd(0.9)}, 0.05},
        NetworkCase{"superresolution", {.loss = {.kind = LossKind::kL1}, .optimizer = sgd(0)}, 0.01},
        NetworkCase{"experts",
                    {.loss = {.kind = LossKind::kMse}, .optimizer = {.kind = OptimizerKind::kAdam}},
                    1e-2}),
    [](const auto& info) { return std::string(info.param.name); });

// Running means and variances are among the states, and were compared.
TEST(Step, MovesRunningStatistics) {
  auto model = frontend::read_model(fixture("mobilenet.onnx"), {});
  Session session(*model, {.normalization = passes::NormalizationMode::kTrain});
  size_t statistics = 0;
  for (const training::State& state : session.layout().states) {
    if (state.role != training::StateRole::kStatistic) continue;
    ++statistics;
    EXPECT_TRUE(Recording("mobilenet").below("final.").contains(state.name)) << state.name;
  }
  EXPECT_EQ(statistics, 10U);
}

// Four quarters of a batch, accumulated, make the step of the whole batch.
TEST(Step, AccumulatesGradients) {
  const Recording recording("lenet");
  auto model = frontend::read_model(fixture("lenet.onnx"), {});
  const TrainingOptions options{.optimizer = {.kind = OptimizerKind::kSgd, .momentum = 0.9},
                                .clip = {.norm = 0.1}};
  Session whole(*model, options);
  whole.run(recording.at("input.0"), recording.at("target.0"), 0.5, 1);

  passes::set_batch(*model, 2);
  TrainingOptions quarters = options;
  quarters.accumulate = 4;
  Session collect(*model, quarters, StepKind::kAccumulate);
  Session step(*model, quarters, StepKind::kStep);
  auto part = [&](const std::string& name, int i) {
    const Tensor& all = recording.at(name);
    std::vector<int64_t> shape = all.shape();
    shape[0] = 2;
    return Tensor(all.dtype(), shape, all.as<char>() + i * all.byte_size() / 4, nullptr);
  };
  for (int i = 0; i < 3; ++i) collect.run(part("input.0", i), part("target.0", i), 0.5, 1);
  step.set_states(collect.states());
  step.run(part("input.0", 3), part("target.0", 3), 0.5, 1);
  for (const training::State& state : step.layout().states) {
    const Tensor& value = step.states().at(state.name);
    if (state.role == training::StateRole::kAccumulator) {
      for (int64_t i = 0; i < value.size(); ++i) ASSERT_EQ(value.get_double(i), 0) << state.name;
    } else {
      expect_near(value, whole.states().at(state.name), 1e-5, state.name);
    }
  }
}

// With factors of 0.25 and 3, plain gradient descent goes so much less or more far.
TEST(Step, ScalesTheRatesOfParameters) {
  const Recording recording("lenet");
  auto model = frontend::read_model(fixture("lenet.onnx"), {});
  TrainingOptions options{.optimizer = {.kind = OptimizerKind::kSgd}};
  Session plain(*model, options);
  const std::map<std::string, Tensor> before = plain.states();
  ASSERT_GE(before.size(), 3U);
  const std::string slow = before.begin()->first;
  const std::string fast = std::next(before.begin())->first;
  options.rate_scales = {{slow, 0.25}, {fast, 3}};
  Session scaled(*model, options);
  for (Session* session : {&plain, &scaled})
    session->run(recording.at("input.0"), recording.at("target.0"), 1, 1);
  for (const auto& [name, start] : before) {
    const double factor = name == slow ? 0.25 : name == fast ? 3 : 1;
    Tensor expected(DType::kFloat, start.shape());
    for (int64_t i = 0; i < start.size(); ++i) {
      const double step = plain.states().at(name).get_double(i) - start.get_double(i);
      expected.set_double(i, start.get_double(i) + factor * step);
    }
    expect_near(scaled.states().at(name), expected, 1e-6, name);
  }
}

// What evaluation gives are the loss and the outputs of the model itself.
TEST(Step, EvaluatesInInferenceForm) {
  const Recording recording("mobilenet");
  auto model = frontend::read_model(fixture("mobilenet.onnx"), {});
  Session session(*model, {.normalization = passes::NormalizationMode::kTrain}, StepKind::kEvaluate);
  session.run(recording.at("input.0"), recording.at("target.0"), 0, 1);
  const runtime::Program program = codegen::compile(*model, {});
  const Tensor output = runtime::Context(program, {.threads = 1}).run({recording.at("input.0")})[0];
  expect_near(session.output(training::kScalarOutputs), output, 1e-5, "output");
  EXPECT_EQ(session.output(1).get_double(0), 8) << "the sum of the weights";
}

TEST(Step, RefusesWhatTheLossDoesNotDependOn) {
  auto model = frontend::read_model(fixture("mlp.onnx"), {});
  TrainingOptions options{.loss = {.kind = LossKind::kMse}};
  const std::vector<passes::Parameter> parameters = passes::find_parameters(*model);
  EXPECT_THROW(passes::build_step(*model, parameters, {}, options, StepKind::kStep), Error);
}

}  // namespace
}  // namespace dlc::test
