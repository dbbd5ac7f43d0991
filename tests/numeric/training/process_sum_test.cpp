// What the step of one process among several exchanges with the others, and when.
#include <gtest/gtest.h>

#include <algorithm>

#include "frontend/read_model.h"
#include "ir/op.h"
#include "passes/training/build_step.h"
#include "tests/numeric/training/recording.h"

namespace dlc::test {
namespace {

using passes::StepKind;

passes::StepGraph build(StepKind kind, const passes::TrainingOptions& options) {
  auto model = frontend::read_model(fixture("mobilenet.onnx"), {});
  const std::vector<passes::Parameter> parameters = passes::find_parameters(*model);
  std::vector<std::string> trained;
  for (const passes::Parameter& parameter : parameters) {
    if (!parameter.is_statistic) trained.push_back(parameter.name);
  }
  return passes::build_step(*model, parameters, trained, options, kind);
}

struct Positions {
  std::vector<size_t> gives;  // of the graph's nodes, by their places
  std::vector<size_t> takes;
  std::vector<size_t> convolutions;
};

Positions positions_of(const ir::Graph& graph) {
  Positions result;
  size_t at = 0;
  for (const auto& node : graph.nodes()) {
    const std::string& name = node->op().name;
    if (name == "Give") {
      EXPECT_EQ(node->attribute<int64_t>("place"), static_cast<int64_t>(result.gives.size()));
      result.gives.push_back(at);
    }
    if (name == "Take") result.takes.push_back(at);
    if (name.starts_with("Conv")) result.convolutions.push_back(at);
    ++at;
  }
  return result;
}

// The weights of the loss, the loss, and every parameter.
TEST(ProcessSum, ExchangesWhatAStepIsMadeOf) {
  const passes::StepGraph step = build(StepKind::kStep, {.processes = 2});
  std::vector<int64_t> expected = {1, 1};
  for (const training::State& state : step.layout.states) {
    if (state.role != training::StateRole::kParameter) continue;
    int64_t count = 1;
    for (int64_t extent : state.shape) count *= extent;
    expected.push_back(count);
  }
  std::vector<int64_t> found;
  for (const training::ExchangedPart& part : step.layout.exchanged) {
    EXPECT_EQ(part.dtype, DType::kFloat);
    found.push_back(part.count);
  }
  EXPECT_EQ(found.front(), 1);
  std::sort(expected.begin(), expected.end());
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, expected);
}

// Gradients go out between the convolutions of the backward pass, and nobody waits before the last one has.
TEST(ProcessSum, GivesWhileTheBackwardPassRuns) {
  const passes::StepGraph step = build(StepKind::kStep, {.processes = 2});
  const Positions at = positions_of(*step.graph);
  ASSERT_EQ(at.gives.size(), step.layout.exchanged.size());
  ASSERT_EQ(at.takes.size(), at.gives.size());
  EXPECT_LT(at.gives.front(), at.convolutions.front()) << "the weights go first";
  EXPECT_LT(at.takes[0], at.gives[1]);
  for (size_t i = 1; i < at.takes.size(); ++i) EXPECT_GT(at.takes[i], at.gives.back());
  const auto between = std::count_if(at.convolutions.begin(), at.convolutions.end(), [&](size_t node) {
    return node > at.gives[2] && node < at.gives.back();
  });
  EXPECT_GE(between, 5);
}

// Running statistics become those of all processes.
TEST(ProcessSum, AveragesStatistics) {
  const passes::TrainingOptions alone{.normalization = passes::NormalizationMode::kTrain};
  passes::TrainingOptions together = alone;
  together.processes = 2;
  const passes::TrainingOptions frozen{.processes = 2};
  const size_t statistics = 10;
  EXPECT_EQ(build(StepKind::kStep, together).layout.exchanged.size(),
            build(StepKind::kStep, frozen).layout.exchanged.size() + statistics);
  EXPECT_TRUE(build(StepKind::kStep, alone).layout.exchanged.empty());
}

// Batches before the one that completes a step keep their gradients to themselves.
TEST(ProcessSum, AccumulatesAlone) {
  const passes::TrainingOptions options{.accumulate = 2, .processes = 2};
  EXPECT_EQ(build(StepKind::kAccumulate, options).layout.exchanged.size(), 2U);
  EXPECT_TRUE(build(StepKind::kEvaluate, options).layout.exchanged.empty());
}

}  // namespace
}  // namespace dlc::test
