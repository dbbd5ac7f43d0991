// What the compiler says about the kernels that it chose: loops come with the reason why nothing better runs.
#include <gtest/gtest.h>

#include "codegen/compile.h"
#include "ir/text.h"

namespace dlc {
namespace {

struct Case {
  const char* graph;
  const char* reason;
};

std::string choices_of(const char* text) {
  const auto graph = ir::parse_graph(text);
  std::string all;
  for (const codegen::KernelChoice& choice : codegen::compile_to_object(*graph, {}).report.choices)
    all += choice.how + "\n";
  return all;
}

TEST(Explain, SaysWhyOperatorsRunAsLoops) {
  const Case cases[] = {
      {R"(graph g(%x: f32[40, 64], %w: f32[64, 2]) { %y = MatMul(%x, %w) return %y as "y" })",
       "a product of 2 columns, for which panels of 16 are mostly padding"},
      {R"(graph g(%x: f32[3, 64], %w: f32[64, 64]) { %y = MatMul(%x, %w) return %y as "y" })",
       "a product of 3 rows by what only the run knows, which to pack costs as much"},
      {R"(graph g(%x: f32[64]) { %a = const i64[] {0} %y = CumSum(%x, %a) return %y as "y" })",
       "every iteration continues the one before"},
      {R"(graph g(%x: f32[64], %i: i64[9], %u: f32[9]) {
            %y = ScatterElements(%x, %i, %u) {reduction = "add"} return %y as "y" })",
       "elements that are combined in memory, one after another"},
      {R"(symbol n input
           graph g(%x: f32[n, 3]) { %y = Shape(%x) return %y as "y" })",
       "a few single elements"},
  };
  for (const Case& c : cases) {
    const std::string found = choices_of(c.graph);
    EXPECT_NE(found.find(c.reason), std::string::npos) << c.graph << "\n  found: " << found;
  }
}

TEST(Explain, GivesNoReasonForVectorsAndProducts) {
  EXPECT_EQ(choices_of(R"(graph g(%x: f32[64]) { %y = Relu(%x) return %y as "y" })"), "loops, vectorised\n");
  const std::string product =
      choices_of(R"(graph g(%x: f32[40, 64], %w: f32[64, 64]) { %y = MatMul(%x, %w) return %y as "y" })");
  EXPECT_EQ(product, "loops, vectorised\nf32 contraction, register tiles, weights packed at run time\n");
}

}  // namespace
}  // namespace dlc
