// Models in the forms of training and of inference.
#include "passes/training/training_form.h"

#include <gtest/gtest.h>

#include <cmath>

#include "codegen/compile.h"
#include "ir/op.h"
#include "ir/text.h"
#include "runtime/program.h"

namespace dlc::test {
namespace {

constexpr int64_t kElements = 10000;

std::unique_ptr<ir::Graph> dropout_graph(const char* ratio) {
  return ir::parse_graph(fmt::format(R"(graph g(%x: f32[10000]) {{
  %ratio = const f32[] {{{}}}
  %y, %mask = Dropout(%x, %ratio) @"drop"
  return %y, %mask
}}
)",
                                     ratio));
}

// Runs a graph whose dropouts drop, with the number `draw`.
std::vector<Tensor> drop(std::unique_ptr<ir::Graph> graph, double ratio, int64_t draw) {
  ir::Value* number = graph->add_input("draw", ir::Type(DType::kInt64, {}));
  passes::replace_dropout(*graph, number, ratio);
  ir::infer_types(*graph);
  const runtime::Program program = codegen::compile(*graph, {});
  Tensor x(DType::kFloat, {kElements});
  for (int64_t i = 0; i < kElements; ++i) x.set_double(i, 3);
  return runtime::Context(program, {.threads = 1})
      .run({x, Tensor::scalar(DType::kInt64, static_cast<double>(draw))});
}

// With probability p of being dropped, the number of n elements that stay has the deviation sqrt(n p (1 -
// p)); the numbers of a draw never change, so that six of them are no matter of luck.
void expect_dropped(const std::vector<Tensor>& results, double ratio) {
  int64_t kept = 0;
  for (int64_t i = 0; i < kElements; ++i) {
    const double y = results[0].get_double(i);
    const bool stays = y != 0;
    if (stays) ASSERT_NEAR(y, 3 / (1 - ratio), 1e-5) << i;
    if (results.size() > 1) ASSERT_EQ(results[1].get_int(i), stays ? 1 : 0) << i;
    kept += stays ? 1 : 0;
  }
  const auto count = static_cast<double>(kElements);
  EXPECT_NEAR(static_cast<double>(kept), count * (1 - ratio), 6 * std::sqrt(count * ratio * (1 - ratio)));
}

TEST(Dropout, DropsItsShareAndScalesTheRest) {
  expect_dropped(drop(dropout_graph("0.25"), -1, 1), 0.25);
  expect_dropped(drop(dropout_graph("0.25"), 0.8, 1), 0.8);
}

TEST(Dropout, DependsOnTheNumberOfTheDraw) {
  const Tensor first = drop(dropout_graph("0.5"), -1, 1)[0];
  EXPECT_TRUE(identical(first, drop(dropout_graph("0.5"), -1, 1)[0]));
  const Tensor second = drop(dropout_graph("0.5"), -1, 2)[0];
  int64_t equal = 0;
  for (int64_t i = 0; i < kElements; ++i) equal += first.get_double(i) == second.get_double(i) ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(equal), kElements / 2.0, 6 * std::sqrt(kElements / 4.0));
}

TEST(Dropout, LeavesEverythingWhereTheRatioIsZero) {
  const Tensor y = drop(dropout_graph("0.5"), 0, 1)[0];
  for (int64_t i = 0; i < kElements; ++i) ASSERT_EQ(y.get_double(i), 3);
}

size_t count(const ir::Graph& graph, std::string_view op) {
  return static_cast<size_t>(std::count_if(graph.nodes().begin(), graph.nodes().end(),
                                           [&](const auto& node) { return node->op().name == op; }));
}

// y = (x - mean) / sqrt(variance + epsilon) with the running statistics.
TEST(BatchNormalization, KeepsItsStatisticsWhereFrozen) {
  auto graph =
      ir::parse_graph(R"(graph g(%x: f32[2, 1], %scale: f32[1], %bias: f32[1], %m: f32[1], %v: f32[1]) {
  %y, %mean, %variance = BatchNormalization(%x, %scale, %bias, %m, %v) {training_mode = 1, epsilon = 0.0}
  return %y, %mean, %variance
}
)");
  passes::freeze_normalization(*graph);
  ir::infer_types(*graph);
  EXPECT_EQ(count(*graph, "BatchNormalization"), 1U);
  const runtime::Program program = codegen::compile(*graph, {});
  Tensor x(DType::kFloat, {2, 1});
  x.set_double(0, 1);
  x.set_double(1, 5);
  auto one = [](double value) { return Tensor::scalar(DType::kFloat, value).reshaped({1}); };
  const std::vector<Tensor> results =
      runtime::Context(program, {.threads = 1}).run({x, one(3), one(10), one(2), one(4)});
  EXPECT_NEAR(results[0].get_double(0), 8.5, 1e-6);
  EXPECT_NEAR(results[0].get_double(1), 14.5, 1e-6);
  EXPECT_EQ(results[1].get_double(0), 2);
  EXPECT_EQ(results[2].get_double(0), 4);
}

}  // namespace
}  // namespace dlc::test
