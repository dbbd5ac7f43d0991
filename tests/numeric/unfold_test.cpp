// Operators that are differentiated through a definition: it gives what their kernels give.
#include <gtest/gtest.h>

#include <cmath>

#include "codegen/compile.h"
#include "ir/builder.h"
#include "ir/op.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/numeric/gradient_case.h"

namespace dlc::test {
namespace {

// Returns the number of nodes that were replaced.
int unfold(ir::Graph& graph) {
  int count = 0;
  for (auto it = graph.nodes().begin(); it != graph.nodes().end();) {
    ir::Node& node = **it++;
    if (node.op().unfold == nullptr) continue;
    ir::Builder builder(graph, &node, &node);
    EXPECT_TRUE(node.op().unfold(builder, node));
    graph.erase(&node);
    ++count;
  }
  ir::infer_types(graph);
  ir::verify(graph, ir::GraphStage::kImported);
  return count;
}

TEST(Unfold, GivesWhatTheKernelsGive) {
  int unfolded = 0;
  for (const GradientCase& item : read_gradient_cases("tests/numeric/gradients")) {
    if (item.file.find("recurrent") == std::string::npos) continue;
    SCOPED_TRACE(item.title);
    auto plain = ir::parse_graph(item.text);
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < plain->inputs().size(); ++i) {
      inputs.push_back(draw_input(item, *plain->inputs()[i], 7 + i));
    }
    auto definition = ir::parse_graph(item.text);
    unfolded += unfold(*definition);
    const runtime::Program programs[] = {codegen::compile(*plain, {}), codegen::compile(*definition, {})};
    const std::vector<Tensor> expected = runtime::Context(programs[0], {.threads = 1}).run(inputs);
    const std::vector<Tensor> found = runtime::Context(programs[1], {.threads = 1}).run(inputs);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i].shape(), expected[i].shape()) << "output " << i;
      for (int64_t k = 0; k < found[i].size(); ++k) {
        ASSERT_NEAR(found[i].get_double(k), expected[i].get_double(k), 1e-12) << "output " << i << ", " << k;
      }
    }
  }
  EXPECT_EQ(unfolded, 7);
}

}  // namespace
}  // namespace dlc::test
