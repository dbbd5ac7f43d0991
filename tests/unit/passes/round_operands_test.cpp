// Which operands are rounded to bfloat16, and by what, on programs in text form.
#include "passes/round_operands.h"

#include <gtest/gtest.h>

#include "ir/kernel/text.h"
#include "ir/kernel/verify.h"

namespace dlc::passes {
namespace {

struct Case {
  const char* name;
  std::string before;
  std::string after;  // empty: unchanged
};

void PrintTo(const Case& item, std::ostream* stream) { *stream << item.name; }

class RoundOperands : public testing::TestWithParam<Case> {};

TEST_P(RoundOperands, GivesTheProgram) {
  ir::Program program = ir::parse_program(GetParam().before);
  ir::verify(program);
  const std::string before = ir::to_text(program);
  Options options;
  round_operands(program, options);
  EXPECT_EQ(ir::to_text(program), before) << "in single precision nothing is rounded";
  options.precision = Precision::kBfloat16;
  round_operands(program, options);
  ir::verify(program);
  const std::string& after = GetParam().after;
  EXPECT_EQ(ir::to_text(program), after.empty() ? before : ir::to_text(ir::parse_program(after)));
}

// The product of a view of `a` and of `b`, which goes to `out`.
std::string product(const std::string& a, const std::string& b, const std::string& out, int first_var) {
  auto v = [&](int i) { return "v" + std::to_string(first_var + i); };
  return "contraction \"matmul\" \"m\" {\n  m " + v(0) + " in 8\n  n " + v(1) + " in 24\n  k " + v(2) +
         " in 20\n  a = " + a + "[" + v(0) + ", " + v(2) + "]\n  b = " + b + "[" + v(2) + ", " + v(1) +
         "]\n  sum f32 " + v(3) + "\n  " + out + "[" + v(0) + ", " + v(1) + "] = " + v(3) +
         "\n  schedule naive panel 16\n}\n";
}

// A kernel that rounds %from, of two axes, to %to.
std::string rounding(const std::string& from, const std::string& to, int rows, int columns, int first_var) {
  const std::string i = "v" + std::to_string(first_var), j = "v" + std::to_string(first_var + 1);
  return "kernel \"round\" \"m\" {\n  parallel " + i + " in 0.." + std::to_string(rows) +
         " {\n    parallel " + j + " in 0.." + std::to_string(columns) + " {\n      " + to + "[" + i + ", " +
         j + "] = bf16(" + from + "[" + i + ", " + j + "])\n    }\n  }\n}\n";
}

const std::string kInputs = R"(program "p"
%0 = input f32[20, 8] at 0 "x"
%1 = input f32[20, 24] at 1 "w"
%2 = output f32[8, 24] at 0 "y"
%3 = output f32[8, 24] at 1 "z"
%4 = permute(1, 0) %0 f32[8, 20] "x.T"
)";

// Both factors are rounded once for two products; a view is one of rounded elements.
const Case kShared{"Shared", kInputs + product("%4", "%1", "%2", 0) + product("%4", "%1", "%3", 4),
                   kInputs + R"(%5 = temp bf16[20, 8] "x"
%6 = permute(1, 0) %5 bf16[8, 20] "x.T"
%7 = temp bf16[20, 24] "w"
%8 = permute(1, 0) %5 bf16[8, 20] "x.T"
)" + rounding("%0", "%5", 20, 8, 8) +
                       rounding("%1", "%7", 20, 24, 10) + product("%6", "%7", "%2", 0) +
                       product("%8", "%7", "%3", 4)};

// The first product's result, times ten, changes between the others: it is rounded again.
const std::string kChanging = R"(program "p"
%0 = input f32[8, 20] at 0 "x"
%1 = input f32[20, 24] at 1 "w"
%2 = output f32[8, 24] at 0 "y"
%3 = output f32[8, 24] at 1 "z"
%4 = temp f32[8, 20] "t"
)";
std::string copy(const std::string& value, int first_var) {
  const std::string i = "v" + std::to_string(first_var), j = "v" + std::to_string(first_var + 1);
  return "kernel \"copy\" \"c\" {\n  parallel " + i + " in 0..8 {\n    parallel " + j +
         " in 0..20 {\n      %4[" + i + ", " + j + "] = %0[" + i + ", " + j + "] * " + value +
         "\n    }\n  }\n}\n";
}
const Case kChanged{"Changed",
                    kChanging + copy("2.0", 0) + product("%4", "%1", "%2", 2) + copy("10.0", 6) +
                        product("%4", "%1", "%3", 8),
                    kChanging + R"(%5 = temp bf16[8, 20] "t"
%6 = temp bf16[20, 24] "w"
%7 = temp bf16[8, 20] "t"
)" + copy("2.0", 0) + rounding("%4", "%5", 8, 20, 12) +
                        rounding("%1", "%6", 20, 24, 14) + product("%5", "%6", "%2", 2) + copy("10.0", 6) +
                        rounding("%4", "%7", 8, 20, 16) + product("%7", "%6", "%3", 8)};

// Constants are rounded at compile time, to nearest even: 1 + 2^-8 lies between 1 and 1 + 2^-7.
std::string with_constant(const std::string& type, const std::string& value, const std::string& rest) {
  std::string elements = value;
  for (int i = 1; i < 16 * 16; ++i) elements += ", " + value;
  return "program \"p\"\n%0 = input f32[4, 16] at 0 \"x\"\n%1 = constant " + type + "[16, 16] {" + elements +
         "} \"w\"\n%2 = output f32[4, 16] at 0 \"y\"\n" + rest;
}
std::string square_product(const std::string& a, const std::string& b) {
  return R"(contraction "matmul" "m" {
  m v0 in 4
  n v1 in 16
  k v2 in 16
  a = )" +
         a + "[v0, v2]\n  b = " + b + "[v2, v1]\n" + R"(  sum f32 v3
  %2[v0, v1] = v3
  schedule naive panel 16
}
)";
}

TEST(RoundOperands, RoundsConstantsAtCompileTime) {
  ir::Program program = ir::parse_program(with_constant("f32", "1.00390625", square_product("%0", "%1")));
  Options options;
  options.precision = Precision::kBfloat16;
  round_operands(program, options);
  ir::verify(program);
  const auto& c =
      std::get<ir::Contraction>(std::get<ir::KernelStep>(program.main.steps.back().node).kernel.body);
  const ir::Buffer& weights = program.buffer(c.b.buffer);
  EXPECT_EQ(weights.kind, ir::BufferKind::kConstant);
  EXPECT_EQ(weights.dtype, DType::kBfloat16);
  EXPECT_EQ(weights.constant.get_double(3), 1.0);
  EXPECT_EQ(program.buffer(c.a.buffer).dtype, DType::kBfloat16);
}

// Too few terms a sum; and what minimal filtering may take.
const Case kShallow{"Shallow", R"(program "p"
%0 = input f32[64, 8] at 0 "x"
%1 = input f32[8, 64] at 1 "w"
%2 = output f32[64, 64] at 0 "y"
contraction "matmul" "m" {
  m v0 in 64
  n v1 in 64
  k v2 in 8
  a = %0[v0, v2]
  b = %1[v2, v1]
  sum f32 v3
  %2[v0, v1] = v3
  schedule naive panel 16
}
)",
                    ""};

std::string convolution(int stride) {
  const std::string s = stride == 1 ? "" : " * " + std::to_string(stride);
  const std::string out = stride == 1 ? "12" : "6";
  return R"(program "p"
%0 = input f32[32, 14, 14] at 0 "x"
%1 = input f32[32, 32, 3, 3] at 1 "w"
%2 = output f32[32, )" +
         out + ", " + out + R"(] at 0 "y"
contraction "conv" "m" {
  m v0 in )" +
         out + "\n  m v1 in " + out + R"(
  n v2 in 32
  k v3 in 32
  window v4 in 3
  window v5 in 3
  a = %0[v3, v0)" +
         s + " + v4, v1" + s + R"( + v5]
  b = %1[v2, v3, v4, v5]
  sum f32 v6
  %2[v2, v0, v1] = v6
  schedule naive panel 16
}
)";
}
const Case kFiltered{"Filtered", convolution(1), ""};

TEST(RoundOperands, RoundsConvolutionsThatAreNotFiltered) {
  Options options;
  options.precision = Precision::kBfloat16;
  ir::Program strided = ir::parse_program(convolution(2));
  round_operands(strided, options);
  EXPECT_EQ(strided.main.steps.size(), 3u);
  // --exact has no minimal filtering.
  options.exact = true;
  ir::Program exact = ir::parse_program(convolution(1));
  round_operands(exact, options);
  EXPECT_EQ(exact.main.steps.size(), 3u);
}

INSTANTIATE_TEST_SUITE_P(All, RoundOperands, testing::Values(kShared, kChanged, kShallow, kFiltered),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace dlc::passes
