#include "passes/training/widen.h"

#include <gtest/gtest.h>

#include "ir/text.h"
#include "ir/verify.h"

namespace dlc::passes {
namespace {

std::string widened(const std::string& text) {
  auto graph = ir::parse_graph(text);
  widen(*graph);
  ir::verify(*graph, ir::GraphStage::kImported);
  return ir::to_text(*graph);
}

// Floating-point numbers of all widths; integers stay.
TEST(Widen, ChangesTypesAndNothingElse) {
  EXPECT_EQ(widened(R"(graph g(%x: f32[2, 3], %i: i64[2]) {
  %w = const f16[3] {1, 2, 3}
  %one = const i64[] {1}
  %h: f32[3] = Cast(%w) {to = 1}
  %y: f32[2, 3] = Mul(%x, %h)
  %k: i64[2] = Add(%i, %one)
  return %y, %k
}
)"),
            R"(graph g(%x: f64[2, 3], %i: i64[2]) {
  %one = const i64[] {1}
  %w = const f64[3] {1, 2, 3}
  %h: f64[3] = Cast(%w) {to = 11}
  %y: f64[2, 3] = Mul(%x, %h)
  %k: i64[2] = Add(%i, %one)
  return %y, %k
}
)");
}

TEST(Widen, ReachesSubGraphs) {
  const std::string text = widened(R"(graph g(%x: f32[2], %c: bool[]) {
  %y: f32[2] = If(%c) {else_branch = graph a() {
    %half = const f32[2] {0.5, 0.25}
    %z: f32[2] = Add(%x, %half)
    return %z
  }, then_branch = graph b() {
    %t: f32[2] = Neg(%x)
    return %t
  }}
  return %y
}
)");
  EXPECT_EQ(text.find("f32"), std::string::npos) << text;
  EXPECT_NE(text.find("%y: f64[2] = If"), std::string::npos) << text;
}

}  // namespace
}  // namespace dlc::passes
