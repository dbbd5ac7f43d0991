// What raise_integers() says of products that stay on floats. Its rewrites are golden cases.
#include <gtest/gtest.h>

#include "ir/text.h"
#include "passes/passes.h"

namespace dlc::passes {
namespace {

std::vector<std::string> notes_of(const std::string& text) {
  const std::unique_ptr<ir::Graph> graph = ir::parse_graph(text);
  const Options options;
  ir::RewriteCounter rewrites;
  std::vector<std::string> notes;
  PassContext context{options, rewrites, nullptr, &notes};
  raise_integers(*graph, context);
  return notes;
}

TEST(RaiseIntegers, SaysWhyAProductStaysOnFloats) {
  const std::vector<std::string> notes = notes_of(R"(graph g(%x: i8[3, 2], %w: f32[2, 4]) {
    %s = const f32[] {0.5}
    %d = DequantizeLinear(%x, %s)
    %y = MatMul(%d, %w)
    return %y as "y"
  })");
  ASSERT_EQ(notes.size(), 1);
  EXPECT_NE(notes[0].find("MatMul"), std::string::npos) << notes[0];
  EXPECT_NE(notes[0].find("its weights are not dequantised from 8 bits"), std::string::npos) << notes[0];
}

TEST(RaiseIntegers, SaysNothingOfFloatsAndOfIntegers) {
  EXPECT_TRUE(notes_of(R"(graph g(%x: f32[3, 2], %w: f32[2, 4], %q: i8[3, 2], %r: i8[2, 4]) {
    %s = const f32[] {0.5}
    %a = DequantizeLinear(%q, %s)
    %b = DequantizeLinear(%r, %s)
    %y = MatMul(%x, %w)
    %z = MatMul(%a, %b)
    return %y as "y", %z as "z"
  })")
                  .empty());
}

}  // namespace
}  // namespace dlc::passes
