#include "ir/kernel/verify.h"

#include <gtest/gtest.h>

#include "ir/kernel/text.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

constexpr std::string_view kHead = R"(program "p"
  symbol n input
  %0 = input f32[n, 4] at 0 "x"
  %1 = output f32[n, 4] at 0 "y"
  %2 = temp f32[n, 4] "t"
  %3 = temp i64[3] "i"
  %4 = permute(1, 0) %2 f32[4, n] "v"
  %5 = input u8[4, 4] at 1 "w"
  %6 = state f32[4] "s"
)";

std::string verdict(std::string_view text) {
  try {
    verify(parse_program(text));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal) << error.what();
    return error.what();
  }
  return "fine";
}

std::string kernel_verdict(std::string_view body) {
  return verdict(std::string(kHead) + "kernel \"k\" \"o\" {" + std::string(body) + "}");
}

TEST(VerifyKernels, AcceptsWhatIsRight) {
  EXPECT_EQ(kernel_verdict(R"(
    parallel v0 in 0..{n} {
      parallel v1 in 0..4 {
        let v2 = 0.0
        for v3 in 0..4 { reduce v2 max %0[v0, v3] }
        %4[v1, v0] = select(v1 < 3, %0[v0, v1 + 1], v2)
        if v0 > 3 { %1[v0, v1] = %2[v0, v1] + %6[v1] }
      }
    })"),
            "fine");
  EXPECT_EQ(verdict(std::string(kHead) + R"(
    bind m = %5[0, 0] in 0..9 "w"
    repeat i in {m} {
      kernel "k" "" { %2[{i}, 0] = 1.0 }
    }
    contraction "c" "" {
      m v0 in {n}
      n v1 in 4
      k v2 in 4
      a = %0[v0, v2 * 2 - 3] padded
      b = %5[v2, v1] zero_point 3:u8
      sum f32 v3
      %1[v0, v1] = v3 + %2[v0, v1]
    })"),
            "fine");
}

struct Case {
  std::string_view body;
  std::string_view message;
};

TEST(VerifyKernels, RejectsWrongKernels) {
  const Case cases[] = {
      {"%0[0, 0] = 1.0", "buffer %0 'x' is read-only"},
      {"%4[0] = 1.0", "%4[0]: 1 indices for 2 axes"},
      {"%2[0, 4] = 1.0", "%2[0, 4]: index 1 leaves the extent 4"},
      {"%2[0, -1] = 1.0", "index 1 leaves the extent 4"},
      {"for v0 in 0..5 { %6[v0] = 1.0 }", "%6[v0]: index 0 leaves the extent 4"},
      {"for v0 in 4..9 { %6[v0 + 1] = 1.0 }", "%6[v0 + 1]: index 0 leaves the extent 4"},
      {"%6[0] = 1", "%6[0]: expected f32, found i64"},
      {"%6[0] = %2[0, 0]", "buffer %2 't' is read before it is written"},
      {"%6[{m}] = 1.0", "symbol m is used before it is bound"},
      {"let v0 = 1 let v0 = 2", "variable v0 is defined twice"},
      {"for v0 in 0..2 { } for v0 in 0..2 { }", "variable v0 is defined twice"},
      {"for v0 in 0..2 { let v1 = 1.0 } %6[0] = v1", "variable v1 is used outside of its scope"},
      {"for v0 in 0..2 { parallel v1 in 0..2 { } }", "a parallel loop inside of a serial one"},
      {"vector v0 in 0..2 { for v1 in 0..2 { } }", "a loop inside of the vector loop"},
      {"let v0 = 0.0 parallel v1 in 0..2 { reduce v0 sum 1.0 }",
       "v0 carries a value over parallel iterations"},
      {"let v0 = 0.0 reduce v0 sum 1", "v0: expected f32, found i64"},
      {"let v0 = exp(1)", "'exp' of i64"},
      {"let v0 = and(1.0, 2.0)", "'and' of f32"},
      {"let v0 = select(1, 2, 3)", "the condition of 'select': expected bool, found i64"},
      {"let v0 = bitcast_f64(1.0)", "types of different width"},
      {"if 1 { }", "a condition: expected bool, found i64"},
      {"scatter %6[0] sum 1", "%6[0]: expected f32, found i64"},
  };
  for (const Case& c : cases) {
    const std::string found = kernel_verdict(c.body);
    EXPECT_NE(found.find(c.message), std::string::npos) << c.body << "\n  found: " << found;
    EXPECT_NE(found.find("kernel 'k' of o"), std::string::npos) << found;
  }
}

TEST(VerifyKernels, RejectsWrongContractions) {
  const auto contraction = [](std::string_view a, std::string_view b, std::string_view out,
                              std::string_view value) {
    return verdict(fmt::format(R"({}contraction "c" "o" {{
      m v0 in {{n}}
      n v1 in 4
      k v2 in 4
      a = {}
      b = {}
      sum f32 v3
      {} = {}
    }})",
                               kHead, a, b, out, value));
  };
  EXPECT_EQ(contraction("%0[v0, v2]", "%5[v2, v1]", "%1[v0, v1]", "v3"), "fine");
  EXPECT_NE(contraction("%0[v0, v1]", "%5[v2, v1]", "%1[v0, v1]", "v3").find("axis v1 appears in a"),
            std::string::npos);
  EXPECT_NE(contraction("%0[v0, v2]", "%5[v0, v1]", "%1[v0, v1]", "v3").find("axis v0 appears in b"),
            std::string::npos);
  EXPECT_NE(contraction("%0[v0, v2]", "%5[v2, v1]", "%1[v0, v2]", "v3").find("axis v2 appears in the output"),
            std::string::npos);
  EXPECT_NE(contraction("%0[v0, v2]", "%5[v2, v1]", "%1[v0, 0]", "v3")
                .find("axis v1 is neither summed nor in the output"),
            std::string::npos);
  EXPECT_NE(contraction("%0[v0, mod(v2, 2)]", "%5[v2, v1]", "%1[v0, v1]", "v3").find("not affine in v2"),
            std::string::npos);
  EXPECT_NE(contraction("%0[v0, v2]", "%5[v2, v1]", "%1[v0, v1]", "v3 + f32(v2)").find("v2 is used outside"),
            std::string::npos);
  EXPECT_NE(contraction("%0[v0, v2]", "%5[v2, v1]", "%1[v0, v1]", "f64(v3)")
                .find("the epilogue: expected f32, found f64"),
            std::string::npos);
  EXPECT_NE(
      contraction("%0[v0, v2] zero_point 1.0", "%5[v2, v1]", "%1[v0, v1]", "v3").find("a zero point of a"),
      std::string::npos);
}

TEST(VerifyKernels, RejectsWrongParts) {
  const auto parts = [](std::string_view axis, std::string_view term) {
    return verdict(fmt::format(R"({}contraction "c" "o" {{
      m v0 in {{n}}
      n v1 in 4
      k v2 in 2
      k v3 in 2
      a = %0[v0, v2 * 2 + v3]
      b = %5[v2 * 2 + v3, v1]
      sum f32 v4
      parts {} i32 v5 = {}
      %1[v0, v1] = v4
    }})",
                               kHead, axis, term));
  };
  EXPECT_EQ(parts("v2", "f32(v5) * f32(v2)"), "fine");
  EXPECT_NE(parts("v1", "f32(v5)").find("parts along v1, which is no axis k"), std::string::npos);
  EXPECT_NE(parts("v2", "f32(v5) * f32(v3)").find("uses v3, which is summed"), std::string::npos);
  EXPECT_NE(parts("v2", "v5").find("the term of a part: expected f32, found i32"), std::string::npos);
}

TEST(VerifyKernels, RejectsWrongBuffers) {
  const Case cases[] = {
      {"%0 = temp f32[2, 3] \"x\" %1 = permute(0, 0) %0 f32[2, 3] \"v\"", "its axes are no permutation"},
      {"%0 = temp f32[2, 3] \"x\" %1 = permute(1, 0) %0 f32[2, 3] \"v\"", "axis 0 has another extent"},
      {"%0 = temp f32[2, 3] \"x\" %1 = reshape %0 f32[5] \"v\"", "a reshape changes the number of elements"},
      {"%0 = temp f32[2, 3] \"x\" %1 = reshape %0 i32[6] \"v\"", "its type is not that of its base"},
      {"%0 = temp f32[2, 3] order(1, 0) \"x\" %1 = reshape %0 f32[6] \"v\"",
       "not stored as a reshape needs it"},
      {"%0 = temp f32[2, 3] order(1, 1) \"x\"", "its order is no permutation"},
      {"%0 = temp f32[4] \"x\" %1 = slice(1:2) %0 f32[3] \"v\"", "axis 0 leaves its base"},
      {"%0 = temp f32[4] \"x\" %1 = slice(0:0) %0 f32[3] \"v\"", "no positive step"},
      {"%0 = temp f32[4] \"x\" %1 = expand %0 f32[2, 3] \"v\"", "axis 0 is repeated but not of extent 1"},
      {"%0 = input f32[4, 2] order(1, 0) at 0 \"x\"", "not row-major"},
      {"%0 = constant f32[2] \"c\"", "its tensor is missing"},
  };
  for (const Case& c : cases) {
    const std::string found = verdict("program \"p\" " + std::string(c.body));
    EXPECT_NE(found.find(c.message), std::string::npos) << c.body << "\n  found: " << found;
  }
}

}  // namespace
}  // namespace dlc::ir
