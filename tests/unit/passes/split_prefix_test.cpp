#include "passes/training/split_prefix.h"

#include <gtest/gtest.h>

#include "ir/op.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace dlc::passes {
namespace {

PrefixResult split(const std::string& text, const std::vector<std::string>& trained,
                   const TrainingOptions& options = {}) {
  auto graph = ir::parse_graph(text);
  PrefixResult result = split_prefix(*graph, find_parameters(*graph), trained, options);
  if (result.prefix != nullptr) {
    ir::verify(*result.prefix->rest, ir::GraphStage::kImported);
    ir::verify(*result.prefix->graph, ir::GraphStage::kImported);
  }
  return result;
}

std::vector<std::string> operators(const ir::Graph& graph) {
  std::vector<std::string> result;
  for (const auto& node : graph.nodes()) result.push_back(node->op().name);
  return result;
}

std::vector<std::string> inputs(const ir::Graph& graph) {
  std::vector<std::string> result;
  for (const ir::Value* input : graph.inputs())
    result.push_back(input->name() + ": " + to_string(input->type()));
  return result;
}

using Names = std::vector<std::string>;

const char* const kNetwork = R"(graph g(%x: f32[4, 1, 3, 3]) {
  %filters = const f32[2, 1, 3, 3] splat(0.5)
  %scale = const f32[2] {1, 2}
  %bias = const f32[2] {1, 2}
  %mean = const f32[2] {1, 2}
  %variance = const f32[2] {1, 2}
  %ratio = const f32[] {0.25}
  %weight = const f32[2, 3] {1, 2, 3, 4, 5, 6}
  %c = Conv(%x, %filters)
  %n = BatchNormalization(%c, %scale, %bias, %mean, %variance)
  %f = Flatten(%n)
  %d = Dropout(%f, %ratio)
  %y = MatMul(%d, %weight)
  return %y as "logits"
}
)";

TEST(SplitPrefix, CutsBelowTheLowestTrainedParameter) {
  const PrefixResult result = split(kNetwork, {"weight"}, {.dropout = 0});
  ASSERT_NE(result.prefix, nullptr) << result.reason;
  EXPECT_EQ(inputs(*result.prefix->rest), Names{"d: f32[4, 2]"});
  EXPECT_EQ(operators(*result.prefix->rest), Names{"MatMul"});
  EXPECT_EQ(result.prefix->rest->output_names(), Names{"logits"});
  EXPECT_EQ(inputs(*result.prefix->graph), Names{"x: f32[4, 1, 3, 3]"});
  ASSERT_EQ(result.prefix->features.size(), 1U);
  EXPECT_EQ(result.prefix->features[0].shape, (std::vector<int64_t>{4, 2}));
  EXPECT_EQ(result.prefix->bytes_per_sample(), 8);
  EXPECT_EQ(result.prefix->nodes, 4U);
  EXPECT_EQ(result.prefix->all_nodes, 5U);
}

// What is drawn anew for every batch, or depends on the others of a batch, cannot be kept.
TEST(SplitPrefix, EndsAtDropoutAndAtStatisticsOfTheBatch) {
  const PrefixResult dropout = split(kNetwork, {"weight"});
  ASSERT_NE(dropout.prefix, nullptr) << dropout.reason;
  EXPECT_EQ(operators(*dropout.prefix->rest), (Names{"Dropout", "MatMul"}));
  const PrefixResult statistics = split(kNetwork, {"weight"}, {.normalization = NormalizationMode::kTrain});
  ASSERT_NE(statistics.prefix, nullptr) << statistics.reason;
  EXPECT_EQ(operators(*statistics.prefix->rest),
            (Names{"BatchNormalization", "Flatten", "Dropout", "MatMul"}));
  EXPECT_EQ(inputs(*statistics.prefix->rest), Names{"c: f32[4, 2, 1, 1]"});
}

TEST(SplitPrefix, LeavesModelsWholeWhereNothingBelowIsWorthIt) {
  const PrefixResult all = split(kNetwork, {"filters", "weight"});
  EXPECT_EQ(all.prefix, nullptr);
  EXPECT_EQ(all.reason, "");
  const PrefixResult cheap = split(R"(graph g(%x: f32[4, 2]) {
  %mean = const f32[2] {1, 2}
  %weight = const f32[2, 3] {1, 2, 3, 4, 5, 6}
  %n = Sub(%x, %mean)
  %y = MatMul(%n, %weight)
  return %y
}
)",
                                   {"weight"});
  EXPECT_EQ(cheap.prefix, nullptr);
  EXPECT_EQ(cheap.reason, "");
}

// A mask is computed again from what it comes from; shapes are constants.
TEST(SplitPrefix, KeepsFeaturesSmall) {
  const PrefixResult result = split(R"(graph g(%x: f32[2, 5, 4], %m: i64[2, 5]) {
  %w0 = const f32[4, 4] splat(0.5)
  %w1 = const f32[5, 5] splat(0.5)
  %axes = const i64[1] {1}
  %large = const f32[] {-1000}
  %h = MatMul(%x, %w0)
  %t = Transpose(%h) {perm = [0, 2, 1]}
  %s = Shape(%t)
  %f = Cast(%m) {to = 1}
  %u = Unsqueeze(%f, %axes)
  %e = Expand(%u, %s)
  %mask = Mul(%e, %large)
  %z = MatMul(%t, %w1)
  %y = Add(%z, %mask)
  return %y
}
)",
                                    {"w1"});
  ASSERT_NE(result.prefix, nullptr) << result.reason;
  EXPECT_EQ(inputs(*result.prefix->rest), (Names{"t: f32[2, 4, 5]", "u: f32[2, 1, 5]"}));
  EXPECT_EQ(operators(*result.prefix->rest), (Names{"Expand", "Mul", "MatMul", "Add"}));
}

TEST(SplitPrefix, TellsWhatHasNoBatchAxis) {
  const PrefixResult result = split(R"(graph g(%x: f32[4, 2]) {
  %w = const f32[2, 2] {1, 2, 3, 4}
  %v = const f32[2, 2] {1, 2, 3, 4}
  %h = MatMul(%x, %w)
  %sum = ReduceSum(%h) {keepdims = 0}
  %z = Add(%h, %sum)
  %a = Softmax(%z)
  %b = MatMul(%a, %v)
  %y = Mul(%b, %sum)
  return %y
}
)",
                                    {"v"});
  EXPECT_EQ(result.prefix, nullptr);
  EXPECT_NE(result.reason.find("'sum'"), std::string::npos) << result.reason;
  EXPECT_NE(result.reason.find("no batch axis"), std::string::npos) << result.reason;
}

// Outputs that are frozen, and trained parameters that no output needs.
TEST(SplitPrefix, KeepsWhatOutputsAndStatesNeed) {
  const PrefixResult result = split(R"(graph g(%x: f32[4, 2]) {
  %w = const f32[2, 2] {1, 2, 3, 4}
  %v = const f32[2, 2] {1, 2, 3, 4}
  %unused = const f32[2, 2] {1, 2, 3, 4}
  %h = MatMul(%x, %w)
  %y = MatMul(%h, %v)
  %dead = MatMul(%h, %unused)
  return %y as "logits", %h as "hidden"
}
)",
                                    {"v", "unused"});
  ASSERT_NE(result.prefix, nullptr) << result.reason;
  const ir::Graph& rest = *result.prefix->rest;
  EXPECT_EQ(rest.output_names(), (Names{"logits", "hidden"}));
  EXPECT_EQ(rest.outputs()[1], rest.inputs()[0]);
  EXPECT_EQ(rest.constants().size(), 2U);
}

}  // namespace
}  // namespace dlc::passes
