// Optimizers against PyTorch's.
#include "passes/training/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "codegen/compile.h"
#include "ir/graph.h"
#include "ir/text.h"
#include "runtime/program.h"
#include "tests/numeric/training/recording.h"

namespace dlc::test {
namespace {

using passes::OptimizerKind;
using passes::OptimizerOptions;

struct OptimizerCase {
  const char* name;  // of the recording
  OptimizerOptions options;
};

void PrintTo(const OptimizerCase& item, std::ostream* stream) { *stream << item.name; }

class Optimizer : public testing::TestWithParam<OptimizerCase> {};

TEST_P(Optimizer, GoesTheWayOfPyTorch) {
  const Recording recording("optimizers");
  const OptimizerOptions& options = GetParam().options;
  Tensor parameter = recording.at("start");
  const Tensor gradients = recording.at("gradients");
  const Tensor path = recording.at(GetParam().name);
  const ir::Type type(DType::kFloat, {parameter.shape()[0], parameter.shape()[1]});

  ir::Graph graph("update");
  ir::Value* w = graph.add_input("w", type);
  ir::Value* g = graph.add_input("g", type);
  const passes::StepScalars scalars{graph.add_input("rate", ir::Type(DType::kFloat, {})),
                                    graph.add_input("step", ir::Type(DType::kInt64, {}))};
  std::vector<ir::Value*> moments;
  std::vector<Tensor> states = {parameter};
  for (const std::string& name : passes::moment_names(options)) {
    moments.push_back(graph.add_input(name, type));
    states.emplace_back(DType::kFloat, parameter.shape());
  }
  const passes::UpdateNodes nodes = passes::add_update(graph, options, scalars, w, g, moments);
  std::vector<ir::Value*> outputs = {nodes.parameter};
  outputs.insert(outputs.end(), nodes.moments.begin(), nodes.moments.end());
  std::vector<std::string> names;
  for (size_t i = 0; i < outputs.size(); ++i) names.push_back(fmt::format("y{}", i));
  graph.set_outputs(outputs, names);
  const runtime::Program program = codegen::compile(graph, {});
  runtime::Context context(program, {.threads = 1});

  for (int64_t step = 0; step < gradients.shape()[0]; ++step) {
    const int64_t offset = step * parameter.byte_size();
    const Tensor gradient(DType::kFloat, parameter.shape(), gradients.as<char>() + offset, nullptr);
    std::vector<Tensor> inputs = {states[0], gradient, Tensor::scalar(DType::kFloat, 0.1),
                                  Tensor::scalar(DType::kInt64, static_cast<double>(step + 1))};
    inputs.insert(inputs.end(), states.begin() + 1, states.end());
    states = context.run(inputs);
    const Tensor expected(DType::kFloat, parameter.shape(), path.as<char>() + offset, nullptr);
    expect_near(states[0], expected, 1e-6, fmt::format("after step {}", step + 1));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Optimizer,
    testing::Values(
        OptimizerCase{"sgd", {.kind = OptimizerKind::kSgd, .weight_decay = 0.1}},
        OptimizerCase{"sgd_momentum", {.kind = OptimizerKind::kSgd, .momentum = 0.9, .weight_decay = 0.1}},
        OptimizerCase{"sgd_nesterov", {.kind = OptimizerKind::kSgd, .momentum = 0.8, .nesterov = true}},
        OptimizerCase{"adam",
                      {.kind = OptimizerKind::kAdam,
                       .beta1 = 0.8,
                       .beta2 = 0.95,
                       .epsilon = 1e-3,
                       .weight_decay = 0.1}},
        OptimizerCase{"adamw", {.kind = OptimizerKind::kAdamW, .weight_decay = 0.2}},
        OptimizerCase{"adagrad", {.kind = OptimizerKind::kAdagrad, .epsilon = 1e-3, .weight_decay = 0.1}},
        OptimizerCase{"lion", {.kind = OptimizerKind::kLion, .beta2 = 0.99, .weight_decay = 0.2}}),
    [](const auto& info) { return std::string(info.param.name); });

// Two gradients of norm 5 together: (3, 0) and (0, 4).
TEST(Clipping, LimitsNormAndValues) {
  auto graph = ir::parse_graph("graph g(%a: f32[2], %b: f32[2]) {\n  return %a\n}\n");
  const std::vector<ir::Value*> gradients = graph->inputs();
  ir::Value* norm = passes::add_norm(*graph, gradients);
  const std::vector<ir::Value*> tight = passes::clip_norm(*graph, gradients, norm, 1);
  const std::vector<ir::Value*> loose = passes::clip_norm(*graph, gradients, norm, 10);
  const std::vector<ir::Value*> values = passes::clip_values(*graph, gradients, 3.5);
  graph->set_outputs({norm, tight[0], tight[1], loose[1], values[0], values[1]},
                     {"norm", "tight0", "tight1", "loose1", "values0", "values1"});
  const runtime::Program program = codegen::compile(*graph, {});
  Tensor a(DType::kFloat, {2});
  Tensor b(DType::kFloat, {2});
  a.set_double(0, 3);
  b.set_double(1, -4);
  const std::vector<Tensor> results = runtime::Context(program, {.threads = 1}).run({a, b});
  EXPECT_EQ(results[0].get_double(0), 5);
  EXPECT_NEAR(results[1].get_double(0), 0.6, 1e-6);
  EXPECT_NEAR(results[2].get_double(1), -0.8, 1e-6);
  EXPECT_EQ(results[3].get_double(1), -4);
  EXPECT_EQ(results[4].get_double(0), 3);
  EXPECT_EQ(results[5].get_double(1), -3.5);
}

// Of a parameter that is 1 from the first step on, where it began with 0: the decay rises to its limit.
TEST(Average, FollowsParametersFasterAtTheBeginning) {
  ir::Graph graph("average");
  const ir::Type type(DType::kFloat, {2});
  const passes::StepScalars scalars{nullptr, graph.add_input("step", ir::Type(DType::kInt64, {}))};
  ir::Value* before = graph.add_input("before", type);
  ir::Value* parameter = graph.add_input("parameter", type);
  graph.set_outputs({passes::add_average(graph, 0.5, scalars, before, parameter)}, {"after"});
  const runtime::Program program = codegen::compile(graph, {});
  runtime::Context context(program, {.threads = 1});
  Tensor ones(DType::kFloat, {2});
  for (int64_t i = 0; i < 2; ++i) ones.set_double(i, 1);
  Tensor average(DType::kFloat, {2});
  double missing = 1;
  for (int step = 1; step <= 20; ++step) {
    average = context.run({Tensor::scalar(DType::kInt64, step), average, ones})[0];
    missing *= std::min(0.5, (1.0 + step) / (10.0 + step));
    EXPECT_NEAR(average.get_double(1), 1 - missing, 1e-6) << "step " << step;
  }
}

// Biases and scales do not decay.
TEST(Optimizer, DecaysMatricesOnly) {
  EXPECT_EQ(passes::moment_names({.kind = OptimizerKind::kSgd}), std::vector<std::string>{});
  ir::Graph graph("update");
  const ir::Type vector(DType::kFloat, {2});
  const ir::Type matrix(DType::kFloat, {1, 2});
  const passes::StepScalars scalars{graph.add_input("rate", ir::Type(DType::kFloat, {})),
                                    graph.add_input("step", ir::Type(DType::kInt64, {}))};
  const OptimizerOptions options{.kind = OptimizerKind::kSgd, .weight_decay = 0.5};
  std::vector<ir::Value*> outputs;
  for (const ir::Type& type : {vector, matrix}) {
    ir::Value* w = graph.add_input(fmt::format("w{}", outputs.size()), type);
    ir::Value* g = graph.add_input(fmt::format("g{}", outputs.size()), type);
    outputs.push_back(passes::add_update(graph, options, scalars, w, g, {}).parameter);
  }
  graph.set_outputs(outputs, {"bias", "matrix"});
  const runtime::Program program = codegen::compile(graph, {});
  Tensor one(DType::kFloat, {2});
  one.set_double(0, 1);
  const Tensor none(DType::kFloat, {2});
  const std::vector<Tensor> results =
      runtime::Context(program, {.threads = 1})
          .run({Tensor::scalar(DType::kFloat, 0.1), Tensor::scalar(DType::kInt64, 1), one, none,
                one.reshaped({1, 2}), none.reshaped({1, 2})});
  EXPECT_EQ(results[0].get_double(0), 1);
  EXPECT_NEAR(results[1].get_double(0), 0.95, 1e-7);
}

}  // namespace
}  // namespace dlc::test
