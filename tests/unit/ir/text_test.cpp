#include "ir/text.h"

#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/equal.h"
#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

void expect_round_trip(const Graph& graph) {
  std::string text = to_text(graph, {.max_elements = -1});
  auto parsed = parse_graph(text);
  EXPECT_EQ(to_text(*parsed, {.max_elements = -1}), text);
  std::string difference;
  EXPECT_TRUE(equal(graph, *parsed, &difference)) << difference;
}

TEST(Text, RoundTripsTypesAndConstants) {
  const char* text = R"(symbol batch input
symbol n <= 4*batch
symbol `odd name` input
graph main(%x: f32[batch, 2*batch + 1, `odd name`], %s: seq(optional(map(i64, str[min(3, batch)])))) {
  %a = const f32[2, 2] {1, -0.25, inf, 1e-10}
  %b = const i64[] {-9223372036854775808}
  %c = const u64[1] {18446744073709551615}
  %d = const str[2] {"a \"b\"", "c\nd"}
  %e = const f16[16] splat(0.5)
  %f = const i64[0] {}
  return %x, %s as "the \\ sequence", %a, %b, %c, %d, %e, %f as "e"
}
)";
  auto graph = parse_graph(text);
  EXPECT_EQ(to_text(*graph), text);
  EXPECT_EQ(graph->symbols().at("n").upper_bound, Dim::parse("4*batch"));
  expect_round_trip(*graph);
}

TEST(Text, RoundTripsNodes) {
  const char* text = R"(symbol batch input
graph "a graph"(%x: f32[batch]) {
  %"odd value": i64[2] = dlc.Dims() {dims = ["batch", "2"]} @"the \"node\""
  return %"odd value"
}
)";
  auto graph = parse_graph(text);
  EXPECT_EQ(to_text(*graph), text);
  EXPECT_EQ(graph->nodes().front()->name(), "the \"node\"");
  EXPECT_EQ(to_text(*graph->nodes().front()),
            R"(%"odd value": i64[2] = dlc.Dims() {dims = ["batch", "2"]} @"the \"node\"")");
  expect_round_trip(*graph);
}

TEST(Text, LargeConstantsAreHashes) {
  Graph graph("main");
  Tensor tensor(DType::kFloat, {9});
  tensor.set_double(3, 1);
  Value* value = graph.add_constant("w", tensor);
  graph.set_outputs({value}, {"w"});
  std::string text = to_text(graph);
  EXPECT_NE(text.find("%w = const f32[9] dense<"), std::string::npos) << text;
  EXPECT_THROW(parse_graph(text), Error);
  auto parsed = parse_graph(text, {.dense = [&](std::string_view) { return tensor; }});
  EXPECT_TRUE(equal(graph, *parsed));
  expect_round_trip(graph);
}

TEST(Text, TypesMayBeLeftOut) {
  auto graph =
      parse_graph("graph g() { %d = dlc.Dims() {dims = [\"2\"], scalar = 1} // a comment\n return %d }");
  EXPECT_EQ(graph->outputs()[0]->type(), Type(DType::kInt64, {}));
}

TEST(Text, FaultsNameTheLine) {
  auto message = [](std::string_view text) -> std::string {
    try {
      parse_graph(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message("graph g() {\n return %x }").find("line 2 of the graph text: expected a value"),
            std::string::npos);
  EXPECT_NE(message("graph g() {\n %x = Nothing()\n return %x }").find("'Nothing'"), std::string::npos);
  EXPECT_NE(
      message("graph g() { %d: i64[1] = dlc.Dims() {dims = [\"2\", \"n\"]} return %d }")
          .find("dlc.Dims (output 'd'): the text says that output 0 is i64[1], inference that it is i64[2]"),
      std::string::npos);
  EXPECT_NE(message("graph g() { return } x").find("expected the end, found 'x'"), std::string::npos);
}

TEST(Equal, SeesAttributesConstantsAndSharing) {
  auto parse = [](const std::string& body) { return parse_graph("graph g() {" + body + "}"); };
  auto a = parse(
      "%a = dlc.Dims() {dims = [\"2\"]} %b = dlc.Dims() {dims = [\"3\"]} return %a as \"x\", %b as \"y\"");
  auto b = parse(
      "%q = dlc.Dims() {dims = [\"3\"]} %p = dlc.Dims() {dims = [\"2\"]} return %p as \"x\", %q as \"y\"");
  EXPECT_TRUE(equal(*a, *b));
  auto c = parse(
      "%a = dlc.Dims() {dims = [\"2\"]} %b = dlc.Dims() {dims = [\"4\"]} return %a as \"x\", %b as \"y\"");
  std::string difference;
  EXPECT_FALSE(equal(*a, *c, &difference));
  EXPECT_EQ(difference, "attributes of dlc.Dims (output 'b')");
  auto d = parse(
      "%a = dlc.Dims() {dims = [\"2\"]} %b = dlc.Dims() {dims = [\"2\"]} return %a as \"x\", %b as \"y\"");
  auto e = parse("%a = dlc.Dims() {dims = [\"2\"]} return %a as \"x\", %a as \"y\"");
  EXPECT_FALSE(equal(*d, *e));
  EXPECT_FALSE(equal(*e, *d));
  EXPECT_FALSE(equal(*parse("%w = const f32[1] {1} return %w"), *parse("%w = const f32[1] {2} return %w")));
}

}  // namespace
}  // namespace dlc::ir
