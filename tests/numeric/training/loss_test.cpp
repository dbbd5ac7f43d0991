// Losses and their gradients against PyTorch's.
#include "passes/training/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "codegen/compile.h"
#include "ir/graph.h"
#include "ir/op.h"
#include "ir/text.h"
#include "passes/differentiate.h"
#include "runtime/error.h"
#include "tests/numeric/training/recording.h"

namespace dlc::test {
namespace {

using passes::LossKind;
using passes::LossOptions;

std::unique_ptr<ir::Graph> graph_of(const std::vector<int64_t>& shape) {
  return ir::parse_graph(
      fmt::format("graph g(%x: f32[{}]) {{\n  %y = Identity(%x)\n  return %y\n}}\n", fmt::join(shape, ", ")));
}

struct LossResult {
  Tensor loss;
  Tensor total;
  Tensor gradient;
};

LossResult run_loss(const LossOptions& options, const Tensor& output, const Tensor& target,
                    const Tensor& weights) {
  auto graph = graph_of(output.shape());
  ir::Value* goal = graph->add_input("target", passes::target_type(*graph, options));
  ir::Value* shares = graph->add_input("weights", ir::Type(DType::kFloat, {output.shape()[0]}));
  const passes::LossNodes nodes = passes::add_loss(*graph, options, goal, shares);
  ir::Value* const x[] = {graph->inputs()[0]};
  ir::Value* gradient = passes::differentiate(*graph, nodes.loss, x)[0];
  graph->set_outputs({nodes.loss, nodes.total, gradient}, {"loss", "total", "gradient"});
  const runtime::Program program = codegen::compile(*graph, {});
  std::vector<Tensor> results = runtime::Context(program, {.threads = 1}).run({output, target, weights});
  return {results[0], results[1], results[2]};
}

Tensor ones(int64_t count) {
  Tensor result(DType::kFloat, {count});
  for (int64_t i = 0; i < count; ++i) result.set_double(i, 1);
  return result;
}

struct LossCase {
  const char* name;  // of the recording
  LossOptions options;
};

void PrintTo(const LossCase& item, std::ostream* stream) { *stream << item.name; }

class Loss : public testing::TestWithParam<LossCase> {};

TEST_P(Loss, IsThatOfPyTorch) {
  const Recording recording("losses");
  const std::string name = GetParam().name;
  const Tensor output = recording.at(name + ".output");
  const LossResult result =
      run_loss(GetParam().options, output, recording.at(name + ".target"), ones(output.shape()[0]));
  expect_near(result.loss, recording.at(name + ".loss"), 1e-6, "loss");
  expect_near(result.gradient, recording.at(name + ".gradient"), 2e-6, "gradient");
}

const std::vector<double> kWeights = {0.5, 1, 2, 0.25};

INSTANTIATE_TEST_SUITE_P(
    All, Loss,
    testing::Values(LossCase{"cross_entropy", {}}, LossCase{"cross_entropy_ignore", {}},
                    LossCase{"cross_entropy_smooth", {.label_smoothing = 0.2}},
                    LossCase{"cross_entropy_weights", {.class_weights = kWeights}},
                    LossCase{"cross_entropy_both", {.label_smoothing = 0.2, .class_weights = kWeights}},
                    LossCase{"cross_entropy_places", {}},
                    LossCase{"nll", {.kind = LossKind::kNll, .class_weights = kWeights}},
                    LossCase{"binary", {.kind = LossKind::kBinary}},
                    LossCase{"mse", {.kind = LossKind::kMse}}, LossCase{"l1", {.kind = LossKind::kL1}},
                    LossCase{"huber", {.kind = LossKind::kHuber, .delta = 0.7}},
                    LossCase{"kl", {.kind = LossKind::kKl}}),
    [](const auto& info) { return std::string(info.param.name); });

// A batch that is filled up counts as the smaller one.
TEST_P(Loss, LeavesOutSamplesOfWeightZero) {
  const Recording recording("losses");
  const std::string name = GetParam().name;
  const Tensor output = recording.at(name + ".output");
  const Tensor target = recording.at(name + ".target");
  auto first = [](const Tensor& tensor, int64_t count) {
    std::vector<int64_t> shape = tensor.shape();
    shape[0] = count;
    return Tensor(tensor.dtype(), shape, tensor.data(), nullptr);
  };
  const LossResult small = run_loss(GetParam().options, first(output, 2), first(target, 2), ones(2));
  Tensor weights(DType::kFloat, {output.shape()[0]});
  weights.set_double(0, 1);
  weights.set_double(1, 1);
  const LossResult padded = run_loss(GetParam().options, output, target, weights);
  expect_near(padded.loss, small.loss, 1e-6, "loss");
  expect_near(padded.total, small.total, 1e-6, "total");
  expect_near(first(padded.gradient, 2), small.gradient, 2e-6, "gradient");
  for (int64_t i = small.gradient.size(); i < padded.gradient.size(); ++i) {
    ASSERT_EQ(padded.gradient.get_double(i), 0) << i;
  }
}

TEST(LossNodes, AreZeroWhereNothingCounts) {
  const Recording recording("losses");
  const Tensor output = recording.at("cross_entropy.output");
  const LossResult result =
      run_loss({}, output, recording.at("cross_entropy.target"), Tensor(DType::kFloat, {output.shape()[0]}));
  EXPECT_EQ(result.loss.get_double(0), 0);
  EXPECT_EQ(result.total.get_double(0), 0);
  for (int64_t i = 0; i < result.gradient.size(); ++i) ASSERT_EQ(result.gradient.get_double(i), 0);
}

// Logits so far apart that probabilities are 0 in 32 bits.
TEST(LossNodes, StayFiniteForConfidentLogits) {
  Tensor output(DType::kFloat, {1, 3});
  output.set_double(0, 1000);
  output.set_double(2, -1000);
  Tensor target(DType::kInt64, {1});
  target.set_int(0, 2);
  EXPECT_EQ(run_loss({}, output, target, ones(1)).loss.get_double(0), 2000);
  Tensor wanted(DType::kFloat, {1, 3});
  const LossResult binary = run_loss({.kind = LossKind::kBinary}, output, wanted, ones(1));
  EXPECT_NEAR(binary.loss.get_double(0), (1000 + std::log(2)) / 3, 1e-3);
}

std::string error_of(const std::string& text, const LossOptions& options) {
  auto graph = ir::parse_graph(text);
  try {
    ir::Value* target = graph->add_input("target", passes::target_type(*graph, options));
    ir::Value* weights = graph->add_input("weights", ir::Type(DType::kFloat, {3}));
    passes::add_loss(*graph, options, target, weights);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(LossNodes, RefuseOutputsThatDoNotFit) {
  const std::string ids = "graph g(%x: i64[3, 4]) {\n  %y = Identity(%x)\n  return %y\n}\n";
  const std::string flat = "graph g(%x: f32[3]) {\n  %y = Identity(%x)\n  return %y\n}\n";
  const std::string logits = "graph g(%x: f32[3, 4]) {\n  %y = Identity(%x)\n  return %y\n}\n";
  EXPECT_NE(error_of(ids, {}).find("output 'y': a loss needs floats"), std::string::npos);
  EXPECT_NE(error_of(flat, {}).find("expected logits of classes, found f32[3]"), std::string::npos);
  EXPECT_EQ(error_of(flat, {.kind = LossKind::kMse}), "");
  EXPECT_NE(error_of(logits, {.output = "z"}).find("no output 'z'; its outputs are y"), std::string::npos);
  EXPECT_NE(error_of(logits, {.class_weights = {1, 2}}).find("2 class weights, the model 4 classes"),
            std::string::npos);
}

// A model for inference often ends with a Softmax; a cross-entropy of its logits is exact.
TEST(LossNodes, LookThroughASoftmaxAtTheEnd) {
  auto graph = ir::parse_graph("graph g(%x: f32[1, 3]) {\n  %y = Softmax(%x) {axis = 1}\n  return %y\n}\n");
  ir::Value* target = graph->add_input("target", passes::target_type(*graph, {}));
  ir::Value* weights = graph->add_input("weights", ir::Type(DType::kFloat, {1}));
  const passes::LossNodes nodes = passes::add_loss(*graph, {}, target, weights);
  graph->set_outputs({nodes.loss}, {"loss"});
  const runtime::Program program = codegen::compile(*graph, {});
  Tensor x(DType::kFloat, {1, 3});
  x.set_double(0, 200);
  Tensor label(DType::kInt64, {1});
  label.set_int(0, 1);
  EXPECT_EQ(runtime::Context(program, {.threads = 1}).run({x, label, ones(1)})[0].get_double(0), 200);
}

}  // namespace
}  // namespace dlc::test
