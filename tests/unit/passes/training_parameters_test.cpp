#include "passes/training/parameters.h"

#include <gtest/gtest.h>

#include "ir/text.h"
#include "ir/verify.h"
#include "passes/training/build_step.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

std::vector<std::string> names(const std::vector<Parameter>& parameters) {
  std::vector<std::string> result;
  for (const Parameter& parameter : parameters) {
    result.push_back(parameter.name + (parameter.is_statistic ? " (statistic)" : ""));
  }
  return result;
}

using Names = std::vector<std::string>;

TEST(FindParameters, NamesWeightsInTheOrderOfTheirUse) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[2, 3, 4, 4]) {
  %b = const f32[2] {1, 2}
  %w = const f32[2, 3, 1, 1] {1, 2, 3, 4, 5, 6}
  %scale = const f32[2] {1, 2}
  %offset = const f32[2] {1, 2}
  %mean = const f32[2] {1, 2}
  %variance = const f32[2] {1, 2}
  %c = Conv(%x, %w, %b) @"conv"
  %n = BatchNormalization(%c, %scale, %offset, %mean, %variance)
  return %n
}
)");
  const std::vector<Parameter> parameters = find_parameters(*graph);
  EXPECT_EQ(names(parameters),
            (Names{"b", "w", "scale", "offset", "mean (statistic)", "variance (statistic)"}));
  EXPECT_NE(parameters[0].user.find("conv"), std::string::npos);
  EXPECT_EQ(parameters[1].value.size(), 6);
}

// Formulas hold numbers of their own: limits, factors, positions, masks.
TEST(FindParameters, LeavesOutWhatIsPartOfAFormula) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[2, 2]) {
  %half = const f32[] {0.5}
  %one = const f32[1] {1}
  %low = const f32[] {0}
  %shape = const i64[2] {2, 2}
  %mask = const f32[2, 2] {0, -inf, 0, 0}
  %large = const f32[2, 2] {0, -3.4028234663852886e+38, 0, 0}
  %table = const f32[2, 2] {1, 2, 3, 4}
  %unused = const f32[2, 2] {1, 2, 3, 4}
  %a = Mul(%x, %half)
  %b = Add(%a, %one)
  %c = Clip(%b, %low)
  %d = Reshape(%c, %shape)
  %e = Add(%d, %mask)
  %f = Add(%e, %large)
  %y = Add(%f, %table)
  return %y
}
)");
  EXPECT_EQ(names(find_parameters(*graph)), Names{"table"});
}

// Exporters transpose and cast weights, and hand them through other operators.
TEST(FindParameters, LooksThroughWhatHandsWeightsOn) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[2, 3], %i: i64[2]) {
  %w = const f32[4, 3] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
  %half = const f16[4] {1, 2, 3, 4}
  %words = const f32[3, 4] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
  %t = Transpose(%w)
  %m = MatMul(%x, %t)
  %b = Cast(%half) {to = 1}
  %s = Add(%m, %b)
  %e = Gather(%words, %i)
  %y = Add(%s, %e)
  return %y
}
)");
  EXPECT_EQ(names(find_parameters(*graph)), (Names{"w", "half", "words"}));
}

TEST(MakeInput, PutsAnInputInThePlaceOfAParameter) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[2, 3]) {
  %w = const f32[3, 1] {1, 2, 3}
  %y = MatMul(%x, %w)
  return %y
}
)");
  const ir::Value* input = make_input(*graph, "w", "w", DType::kFloat);
  EXPECT_EQ(graph->inputs().back(), input);
  EXPECT_EQ(graph->nodes().front()->input(1), input);
  EXPECT_EQ(to_string(input->type()), "f32[3, 1]");
  ir::verify(*graph, ir::GraphStage::kImported);
}

// ---- set_batch --------------------------------------------------------------------------------------------

std::string outputs_with_batch(const std::string& text, int64_t batch) {
  auto graph = ir::parse_graph(text);
  try {
    set_batch(*graph, batch);
    ir::verify(*graph, ir::GraphStage::kImported);
    return to_string(graph->outputs()[0]->type());
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(SetBatch, BindsSymbolsAndReplacesExtents) {
  EXPECT_EQ(outputs_with_batch("symbol n\ngraph g(%x: f32[n, 3]) {\n  %y = Relu(%x)\n  return %y\n}\n", 8),
            "f32[8, 3]");
  EXPECT_EQ(outputs_with_batch("graph g(%x: f32[1, 3]) {\n  %y = Relu(%x)\n  return %y\n}\n", 8),
            "f32[8, 3]");
  EXPECT_EQ(outputs_with_batch("symbol n\ngraph g(%x: f32[n, 3], %z: f32[n, 1]) {\n  %y = Add(%x, %z)\n"
                               "  return %y\n}\n",
                               8),
            "f32[8, 3]");
}

// The exporter has written out its own batch.
TEST(SetBatch, AdaptsShapesOfTheExportersBatch) {
  const char* const text = R"(graph g(%x: f32[2, 3, 4]) {
  %shape = const i64[2] {2, 12}
  %y = Reshape(%x, %shape)
  return %y
}
)";
  EXPECT_EQ(outputs_with_batch(text, 5), "f32[5, 12]");
  EXPECT_EQ(outputs_with_batch(text, 2), "f32[2, 12]");
}

TEST(SetBatch, RefusesModelsWhoseOutputsDoNotFollow) {
  EXPECT_NE(outputs_with_batch("graph g(%x: f32[2, 3]) {\n  %y = ReduceSum(%x)\n  return %y\n}\n", 5)
                .find("no batch"),
            std::string::npos);
  const std::string fixed = outputs_with_batch(R"(graph g(%x: f32[2, 3]) {
  %other = const f32[2, 3] {1, 2, 3, 4, 5, 6}
  %y = Add(%x, %other)
  return %y
}
)",
                                               5);
  EXPECT_NE(fixed.find("fixed to a batch of 2 and cannot be run with 5"), std::string::npos) << fixed;
  EXPECT_NE(
      outputs_with_batch("graph g(%x: f32[]) {\n  %y = Relu(%x)\n  return %y\n}\n", 5).find("no batch axis"),
      std::string::npos);
}

}  // namespace
}  // namespace dlc::passes
