#include <gtest/gtest.h>

#include "ir/verify.h"
#include "passes/pipeline.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

struct Found {
  std::vector<std::string> faults;
  std::string healthy;  // what is left of the graph
};

Found read_all(const std::string& text) {
  Found found;
  const std::unique_ptr<ir::Graph> graph = graph_from_text(text, {.faults = &found.faults});
  ir::verify(*graph, ir::GraphStage::kImported);
  found.healthy = summary(*graph);
  const std::vector<std::string> more = passes::find_faults(*graph, {});
  found.faults.insert(found.faults.end(), more.begin(), more.end());
  return found;
}

void expect_faults(const std::vector<std::string>& found, const std::vector<std::string>& expected) {
  ASSERT_EQ(found.size(), expected.size()) << fmt::format("{}", fmt::join(found, "\n"));
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NE(found[i].find(expected[i]), std::string::npos) << found[i] << "\nexpected: " << expected[i];
}

TEST(CollectFaults, FindsNoneInASoundModel) {
  const Found found = read_all("g (float[2] x) => (float[2] y) { y = Relu(x) }");
  expect_faults(found.faults, {});
  EXPECT_EQ(found.healthy, "Relu(x) -> y");
}

TEST(CollectFaults, TellsEveryFaultOnceAndGoesOnBehindIt) {
  const Found found = read_all(R"(g (float[2,3] x) => (float[2,3] e) {
    a = Frobnicate (x)
    b = Relu (a)
    c = MatMul (x, x)
    d = Add (b, c)
    e = Relu <alpha = 1> (x)
    f = Neg (x)
    h = Softmax <axis = 5> (f)
  })");
  expect_faults(found.faults, {"unknown operator Frobnicate", "has no attribute 'alpha'",
                               "MatMul (output 'c')", "Softmax (output 'h')"});
  EXPECT_EQ(found.healthy, "Neg(x) -> f");
}

TEST(CollectFaults, LooksIntoSubgraphs) {
  const Found found = read_all(R"(g (bool c, float[2] x) => (float[2] y) {
    y = If (c) <then_branch = t () => (float[2] p) { p = Frob (x) q = Nicate (x) },
                else_branch = e () => (float[2] r) { r = Relu (x) }>
    z = Relu (y)
    w = Neg (x)
  })");
  expect_faults(found.faults, {"unknown operator Frob ", "unknown operator Nicate"});
  EXPECT_EQ(found.healthy, "Neg(x) -> w");
}

TEST(CollectFaults, FindsWrongOutputs) {
  const Found found = read_all("g (float[2] x) => (float[3] y, int64[2] z) { y = Relu(x) z = Neg(x) }");
  expect_faults(found.faults, {"output 'y' is declared with shape [3]", "output 'z' is declared as int64"});
}

TEST(CollectFaults, TellsAFaultOfABranchAtItsNode) {
  const Found found = read_all(R"(g (bool c, float[2,3] x) => (float[2,3] y) {
    y = If (c) <then_branch = t () => (float[2,3] p) { p = MatMul (x, x) },
                else_branch = e () => (float[2,3] r) { r = Relu (x) }>
  })");
  expect_faults(found.faults, {"MatMul (output 'p')"});
}

}  // namespace
}  // namespace dlc::test
