// Branches whose results have different ranks, and branches that are known before the run.
#include <gtest/gtest.h>

#include "ir/op.h"
#include "ir/verify.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

// x without its last axis where that has one element; `rest` makes y of s.
std::string squeezed(const std::string& rest, const std::string& result = "float[n, k] y") {
  return R"(g (float[n, k, t] x, float[k, 4] w) => ()" + result + R"() {
    shape = Shape (x)
    two = Constant <value_int = 2> ()
    one = Constant <value_int = 1> ()
    t = Gather (shape, two)
    is_one = Equal (t, one)
    s = If (is_one) <
      then_branch = a () => (float[n, k] u) {
        axes = Constant <value_ints = [2]> ()
        u = Squeeze (x, axes)
      },
      else_branch = b () => (float[n, k, t] v) { v = Identity (x) }
    >
)" + rest +
         "}";
}

std::string operators(const ir::Graph& graph) {
  std::string text;
  for (const auto& node : graph.nodes()) text += (text.empty() ? "" : " ") + node->op().name;
  return text;
}

TEST(SettleBranches, LeaveTheOneThatTheRestAllowsWithACheck) {
  const auto graph = graph_from_text(squeezed(
      "axis = Constant <value_ints = [0]> () c = Unsqueeze (s, axis) y = Gemm (s, w)", "float[n, 4] y"));
  EXPECT_EQ(operators(*graph), "Shape Gather Equal Squeeze Unsqueeze Gemm Assert");
  EXPECT_EQ(ir::to_string(graph->outputs()[0]->type()), "f32[n, 4]");
  ir::verify(*graph, ir::GraphStage::kImported);
  for (const auto& node : graph->nodes()) {
    if (node->op().name != "Assert") continue;
    EXPECT_EQ(node->attribute<int64_t>("expected"), 1);
    EXPECT_NE(node->attribute<std::string>("message").find("Gemm"), std::string::npos);
  }
}

TEST(SettleBranches, TakeTheRestAlongWhereBothAreAllowed) {
  const auto graph = graph_from_text(squeezed("r = Relu (s) y = ReduceSum <keepdims = 0> (r)", "float y"));
  EXPECT_EQ(operators(*graph), "Shape Gather Equal If");
  const ir::Node& branch = **std::prev(graph->nodes().end());
  std::vector<std::string> bodies;
  for (const auto& [name, body] : ir::subgraphs(branch)) bodies.push_back(name + ": " + operators(*body));
  EXPECT_EQ(bodies, (std::vector<std::string>{"else_branch: Identity Relu ReduceSum",
                                              "then_branch: Squeeze Relu ReduceSum"}));
  EXPECT_EQ(ir::to_string(graph->outputs()[0]->type()), "f32[]");
  ir::verify(*graph, ir::GraphStage::kImported);
}

TEST(SettleBranches, KeepWhatDoesNotDependOnThemOutside) {
  const auto graph = graph_from_text(
      squeezed("z = Neg (w) r = ReduceSum <keepdims = 0> (s) y = Mul (r, z)", "float[k, 4] y"));
  EXPECT_EQ(operators(*graph), "Shape Gather Equal Neg If");
  ir::verify(*graph, ir::GraphStage::kImported);
}

TEST(SettleBranches, ReachOutOfTheBranchAroundThem) {
  const auto graph = graph_from_text(R"(g (float[n, t] x, bool c) => (float y) {
    z = If (c) <
      then_branch = a () => (float[n] u) {
        shape = Shape (x)
        one = Constant <value_int = 1> ()
        t = Gather (shape, one)
        is_one = Equal (t, one)
        u = If (is_one) <
          then_branch = aa () => (float[n] p) { axes = Constant <value_ints = [1]> () p = Squeeze (x, axes) },
          else_branch = ab () => (float[n, t] q) { q = Identity (x) }
        >
      },
      else_branch = b () => (float[n, t] v) { v = Neg (x) }
    >
    y = ReduceSum <keepdims = 0> (z)
  })");
  EXPECT_EQ(operators(*graph), "If");
  EXPECT_EQ(ir::to_string(graph->outputs()[0]->type()), "f32[]");
  ir::verify(*graph, ir::GraphStage::kImported);
}

TEST(SettleBranches, RefuseAResultWhoseRankIsOpen) {
  const std::string error = error_of_text(squeezed("y = Relu (s)", "float[n, k] y"));
  EXPECT_NE(error.find("the branches give"), std::string::npos) << error;
}

TEST(SettleBranches, TellWhyNeitherIsPossible) {
  const std::string error = error_of_text(
      squeezed("u = Unsqueeze (s, two) v = Unsqueeze (u, two) y = Gemm (v, w)", "float[n, 4] y"));
  EXPECT_NE(error.find("Gemm"), std::string::npos) << error;
}

TEST(SettleBranches, LimitTheirNumber) {
  std::string rest;
  std::string value = "s";
  for (int i = 0; i < 70; ++i) {
    const std::string next = "s" + std::to_string(i);
    rest += next + R"( = If (is_one) <
      then_branch = a () => (float[n, k] u) { u = Neg ()" +
            value + R"() },
      else_branch = b () => (float[n, k, t] v) { r = Shape ()" +
            value + R"() v = Expand ()" + value + R"(, shape) }
    >
)";
    value = next;
  }
  const std::string error =
      error_of_text(squeezed(rest + "y = ReduceSum <keepdims = 0> (" + value + ")", "float y"));
  EXPECT_NE(error.find("decide on the ranks"), std::string::npos) << error;
}

TEST(SettleBranches, ForgetTheOneThatNeverRuns) {
  // The rank of x is known, so is the condition; the other branch would not be valid.
  const auto graph = graph_from_text(R"(g (float[n, k] x) => (float[n, k] y) {
    shape = Shape (x)
    rank = Size (shape)
    three = Constant <value_int = 3> ()
    is_three = Equal (rank, three)
    other = Not (is_three)
    number = Cast <to = 6> (other)
    condition = Cast <to = 9> (number)
    y = If (condition) <
      then_branch = a () => (float[n, k] u) { u = Relu (x) },
      else_branch = b () => (float[n, k] v) { axes = Constant <value_ints = [2]> () v = Squeeze (x, axes) }
    >
  })");
  EXPECT_EQ(operators(*graph), "Shape Size Equal Not Cast Cast Relu");
  ir::verify(*graph, ir::GraphStage::kImported);
}

TEST(SettleBranches, ForgetTheOneThatNeverRunsInALoop) {
  const auto graph = graph_from_text(R"(g (int64 m, float[n, k] x) => (float[n, k] y) {
    go = Constant <value = bool {1}> ()
    y = Loop (m, go, x) <
      body = loop (int64 i, bool c, float[n, k] s) => (bool d, float[n, k] u) {
        d = Identity (c)
        shape = Shape (s)
        rank = Size (shape)
        two = Constant <value_int = 2> ()
        is_two = Equal (rank, two)
        u = If (is_two) <
          then_branch = a () => (float[n, k] p) { p = Neg (s) },
          else_branch = b () => (float[n, k] q) { axes = Constant <value_ints = [2]> () q = Squeeze (s, axes) }
        >
      }
    >
  })");
  const ir::Node& loop = **std::prev(graph->nodes().end());
  EXPECT_EQ(operators(*ir::subgraphs(loop)[0].second), "Identity Shape Size Equal Neg");
  ir::verify(*graph, ir::GraphStage::kImported);
}

}  // namespace
}  // namespace dlc::test
