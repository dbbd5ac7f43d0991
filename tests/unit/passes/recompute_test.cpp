#include "passes/training/recompute.h"

#include <gtest/gtest.h>

#include "ir/op.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace dlc::passes {
namespace {

struct Result {
  RecomputePlan plan;
  std::string text;
};

// The forward pass ends with %loss.
Result recomputed(const std::string& text, Recompute what) {
  auto graph = ir::parse_graph(text);
  ir::Value* loss = graph->outputs()[0];
  const RecomputePlan plan = recompute(*graph, {&loss, 1}, what);
  ir::verify(*graph, ir::GraphStage::kImported);
  return {plan, ir::to_text(*graph)};
}

const char* const kChain = R"(graph g(%x: f32[4, 8], %w: f32[8, 100], %v: f32[100, 2], %u: f32[2, 100]) {
  %h: f32[4, 100] = MatMul(%x, %w)
  %e: f32[4, 100] = Exp(%h)
  %a: f32[4, 100] = Tanh(%e)
  %loss: f32[4, 2] = MatMul(%a, %v)
  %da: f32[4, 100] = MatMul(%loss, %u)
  %p: f32[4, 100] = Mul(%a, %e)
  %q: f32[4, 100] = Mul(%p, %h)
  %g: f32[4, 100] = Mul(%q, %da)
  return %loss, %g
}
)";

// Three values and the loss are needed; two of them come from the first.
TEST(Recompute, KeepsWhatTheOthersComeFrom) {
  const Result result = recomputed(kChain, Recompute::kCheap);
  EXPECT_EQ(result.plan.recomputed_bytes, 3 * 1600 + 32);
  EXPECT_EQ(result.plan.saved_bytes, 1600 + 32);
  EXPECT_EQ(result.plan.recomputed_nodes, 2U);
  EXPECT_NE(result.text.find("= dlc.Late(%h)"), std::string::npos) << result.text;
  const std::string backward = result.text.substr(result.text.find("%da"));
  EXPECT_NE(backward.find("Exp("), std::string::npos) << result.text;
  EXPECT_NE(backward.find("Tanh("), std::string::npos) << result.text;
  EXPECT_EQ(backward.find("Mul(%a"), std::string::npos) << result.text;
}

TEST(Recompute, KeepsEverythingWhereNothingIsAllowed) {
  const Result result = recomputed(kChain, Recompute::kNothing);
  EXPECT_EQ(result.plan.saved_bytes, 3 * 1600 + 32);
  EXPECT_EQ(result.plan.recomputed_nodes, 0U);
  EXPECT_EQ(result.text, ir::to_text(*ir::parse_graph(kChain)));
}

// A value that is small in front of others that are large, and the other way round.
TEST(Recompute, KeepsTheLeastBytes) {
  const char* const text = R"(graph g(%x: f32[4, 8], %w: f32[8, 1], %s: f32[4, 50]) {
  %axes = const i64[1] {1}
  %h: f32[4, 1] = MatMul(%x, %w)
  %wide: f32[4, 50] = Mul(%h, %s)
  %sum: f32[4, 1] = ReduceSum(%wide, %axes)
  %loss: f32[4, 1] = Tanh(%sum)
  %g: f32[4, 50] = Mul(%wide, %loss)
  %k: f32[4, 1] = Mul(%sum, %loss)
  return %loss, %g, %k
}
)";
  const Result cheap = recomputed(text, Recompute::kCheap);
  EXPECT_EQ(cheap.plan.saved_bytes, 16 + 16)
      << "h, and the sum, which is no cheap node; the loss comes from that";
  const Result more = recomputed(text, Recompute::kAllButProducts);
  EXPECT_EQ(more.plan.saved_bytes, 16) << "all comes from h";
}

// An element of %h is a sum of two products, one of %a of a hundred.
TEST(Recompute, RepeatsProductsThatSaveMoreThanTheyCost) {
  const std::string text = R"(graph g(%x: f32[4, 2], %w: f32[2, 100], %v: f32[100, 50], %u: f32[50, 2]) {
  %h: f32[4, 100] = MatMul(%x, %w)
  %t: f32[4, 100] = Tanh(%h)
  %a: f32[4, 50] = MatMul(%t, %v)
  %b: f32[4, 50] = Tanh(%a)
  %loss: f32[4, 2] = MatMul(%b, %u)
  %g: f32[4, 50] = Mul(%b, %a)
  %k: f32[4, 100] = Mul(%t, %h)
  return %loss, %g, %k
}
)";
  EXPECT_EQ(recomputed(text, Recompute::kAllButProducts).plan.saved_bytes, 1600 + 800);
  const Result thin = recomputed(text, Recompute::kThinProducts);
  EXPECT_EQ(thin.plan.saved_bytes, 800) << "two multiplications for four bytes";
  const std::string backward = thin.text.substr(thin.text.find("%loss: "));
  EXPECT_NE(backward.find("= MatMul(%Late"), std::string::npos) << thin.text;
  EXPECT_EQ(recomputed(text, Recompute::kProducts).plan.saved_bytes, 0)
      << "a hundred for four bytes: " << thin.text;
}

}  // namespace
}  // namespace dlc::passes
