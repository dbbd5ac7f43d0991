#include "ir/type.h"

#include <gtest/gtest.h>

#include "ir/text_scanner.h"

namespace dlc::ir {
namespace {

Type type(const std::string& text) { return TextScanner(text).type(); }

// As a sequence's.
std::string held_text(const Type& held) {
  const std::string text = to_string(Type::sequence(held));
  return text.substr(4, text.size() - 5);
}

std::string joined(const std::string& a, const std::string& b) {
  std::optional<Type> result = join_held(type(a), type(b));
  EXPECT_EQ(result, join_held(type(b), type(a)));
  return result ? held_text(*result) : "nothing";
}

TEST(Type, ReadsWhatItWrites) {
  for (const char* text : {"f32[batch, 10]", "f32[]", "seq(f32[?, 3])", "seq(f32[...])", "seq(f32)",
                           "map(str, f32[])", "optional(seq(i64[?]))", "seq(map(i64, str[]))"}) {
    EXPECT_EQ(to_string(type(text)), text);
  }
}

// An extent of a tensor of its own is never open: what is wrong with it can be read.
TEST(Type, ShowsNegativeExtents) { EXPECT_EQ(to_string(Type(DType::kFloat, {-1, 3})), "f32[-1, 3]"); }

TEST(Type, JoinsWhatIsHeld) {
  EXPECT_EQ(joined("f32[2, 3]", "f32[2, 3]"), "f32[2, 3]");
  EXPECT_EQ(joined("f32[2, 3]", "f32[4, 3]"), "f32[?, 3]");
  EXPECT_EQ(joined("f32[?]", "f32[4]"), "f32[?]");
  EXPECT_EQ(joined("f32[2]", "f32[2, 3]"), "f32[...]");
  EXPECT_EQ(joined("f32[...]", "f32[2]"), "f32[...]");
  EXPECT_EQ(joined("f32", "f32[2]"), "f32[2]");
  EXPECT_EQ(joined("f32", "f32"), "f32");
  EXPECT_EQ(joined("f32", "f32[...]"), "f32[...]");
  EXPECT_EQ(joined("f32[2]", "i32[2]"), "nothing");
  EXPECT_EQ(joined("seq(f32)", "seq(f32[2])"), "seq(f32[2])");
  EXPECT_EQ(joined("optional(seq(f32[1]))", "optional(seq(f32[2]))"), "optional(seq(f32[?]))");
  EXPECT_EQ(joined("seq(f32)", "optional(f32)"), "nothing");
  EXPECT_EQ(joined("map(i64, f32[])", "map(str, f32[])"), "nothing");
  // Symbols say nothing of other elements.
  EXPECT_EQ(joined("f32[n]", "f32[n]"), "f32[?]");
}

}  // namespace
}  // namespace dlc::ir
