#include "passes/differentiate.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ir/op.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

using Values = std::vector<ir::Value*>;

size_t count_nodes(const ir::Graph& graph, std::string_view op) {
  return static_cast<size_t>(std::count_if(graph.nodes().begin(), graph.nodes().end(),
                                           [&](const auto& node) { return node->op().name == op; }));
}

TEST(Differentiate, GivesNullWhereTheLossDoesNotDepend) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[3], %used: f32[3], %unused: f32[3], %rounded: f32[3]) {
  %a = Mul(%x, %used)
  %r = Round(%rounded)
  %b = Add(%a, %r)
  %loss = ReduceSum(%b) {keepdims = 0}
  return %loss
}
)");
  const auto& in = graph->inputs();
  Values gradients = differentiate(*graph, graph->outputs()[0], Values{in[1], in[2], in[3]});
  ASSERT_EQ(gradients.size(), 3u);
  ASSERT_NE(gradients[0], nullptr);
  EXPECT_EQ(gradients[0]->type(), in[1]->type());
  EXPECT_EQ(gradients[1], nullptr);
  EXPECT_EQ(gradients[2], nullptr);
  ir::verify(*graph, ir::GraphStage::kImported);
}

TEST(Differentiate, LeavesFrozenPartsAlone) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[2, 3], %w: f32[3, 4], %v: f32[4, 1]) {
  %h = MatMul(%x, %w)
  %y = MatMul(%h, %v)
  %loss = ReduceSum(%y) {keepdims = 0}
  return %loss
}
)");
  differentiate(*graph, graph->outputs()[0], Values{graph->inputs()[2]});
  EXPECT_EQ(count_nodes(*graph, "MatMul"), 3u);  // the third is the gradient of v
}

TEST(Differentiate, ReplacesOperatorsByTheirDefinitions) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[3], %b: f32[3]) {
  %y = com.microsoft.BiasGelu(%x, %b)
  %loss = ReduceSum(%y) {keepdims = 0}
  return %loss
}
)");
  Values gradients = differentiate(*graph, graph->outputs()[0], Values{graph->inputs()[1]});
  EXPECT_NE(gradients[0], nullptr);
  EXPECT_EQ(count_nodes(*graph, "BiasGelu"), 0u);
}

TEST(Differentiate, NamesAllNodesWithoutADerivative) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[3]) {
  %a, _, _, _ = Unique(%x) {sorted = 1} @"first"
  %s = ReduceSum(%a) {keepdims = 0}
  %b, _, _, _ = Unique(%x) {sorted = 0} @"second"
  %t = ReduceSum(%b) {keepdims = 0}
  %loss = Add(%s, %t)
  return %loss
}
)");
  try {
    differentiate(*graph, graph->outputs()[0], Values{graph->inputs()[0]});
    FAIL() << "no error";
  } catch (const Error& error) {
    std::string text = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::kModel);
    EXPECT_NE(text.find("2 nodes"), std::string::npos) << text;
    EXPECT_NE(text.find("Unique 'first'"), std::string::npos) << text;
    EXPECT_NE(text.find("Unique 'second'"), std::string::npos) << text;
    EXPECT_NE(text.find("freeze"), std::string::npos) << text;
  }
}

TEST(Differentiate, RefusesALossOfSeveralNumbers) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[3]) {
  %y = Sin(%x)
  return %y
}
)");
  EXPECT_THROW(differentiate(*graph, graph->outputs()[0], Values{graph->inputs()[0]}), Error);
}

}  // namespace
}  // namespace dlc::passes
