#include "ir/kernel/text.h"

#include <gtest/gtest.h>

#include "ir/kernel/lower.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

constexpr std::string_view kEverything = R"(program "all of it"
symbol n input
symbol `odd name` most {2*n + 1}
%0 = input f32[n, 4] at 0 "x"
%1 = output f32[n, 4] at 0 "y"
%2 = constant f32[3] {0.5, 1, -2} "w"
%3 = temp f32[n, 4] order(1, 0) "h"
%4 = permute(1, 0) %3 f32[4, n] "t"
%5 = slice(0:1, {n}:2) %4 f32[4, 1] "s"
%6 = state i32[] "counter"
%7 = temp bool[] "flag"
%8 = temp i64[floordiv(n, 2), 3] "indices \"quoted\""
%9 = constant bool[2] {true, false} "b"
%10 = constant f16[2] {0.25, inf} "half"
%11 = temp f32[n, 4, 8] "q"
%12 = input f32[n, 5, 8] at 1 "kv"
%13 = output f32[n, 4, 3] at 1 "z"
kernel "relu" "Relu 'r1'" {
  parallel v0 in 0..{n} {
    for v1 in 0..4 {
      let v2 = %0[v0, v1] * 2.0 + 1.0
      reduce v2 max 0.0
      v2 = (v2 + 1e-05) * (v2 - 3.0) - (v2 - -4.0)
      if v1 < 3 {
        %3[v0, v1] = select(v2 < 0.5, %2[min(v1, 2)], f32(5:i32))
      }
      scatter %1[v0, v1] sum bitcast_f32(i32(v1)) / 3.0
    }
  }
}
contraction "matmul" "MatMul 'm'" {
  m v3 in {n}
  n v4 in 4
  k v5 in 4
  a = %0[v3, v5] padded zero_point 3:u8
  b = %4[v4, v3]
  sum f64 v6
  %1[v3, v4] = f32(v6) + neg(%3[v3, 0])
  schedule gemm panel 8 packed winograd 4
}
contraction "matmulinteger" "" {
  m v20 in 4
  n v21 in 4
  k v22 in 4
  a = %0[v20, v22]
  b = %4[v22, v21]
  sum i32 v23
  row_sum v24
  %1[v20, v21] = f32(v23 - v24)
  schedule gemm panel 16 packed group 4
}
contraction "block_product" "" {
  m v30 in {n}
  n v31 in 4
  k v32 in 2
  k v33 in 2
  a = %0[v30, v32 * 2 + v33]
  b = %4[v31, v33]
  sum f32 v34
  parts v32 f32 v35 = v35 * %2[v32]
  %1[v30, v31] = v34
  schedule naive panel 16
}
attention "attention" "Attention 'a'" {
  batch v7 in {n}
  row v8 in 4
  row v9 in 1
  key v10 in 5
  depth v11 in 8
  column v12 in 3
  q = %11[v7, v8, v11]
  k = %12[v7, v10, v11]
  v = %12[v7, v10, v12]
  product f32 v13
  score v13 * 0.125 + %2[0]
  first v8 - 2
  last v8 + 1
  guard no_keys
  result v14
  %13[v7, v8, v12] = v14
}
attention "all keys" "" {
  key v15 in 5
  depth v16 in 8
  column v17 in 8
  q = %11[0, 0, v16]
  k = %12[0, v15, v16]
  v = %12[0, v15, v17]
  product f32 v18
  score v18
  guard not_a_number
  result v19
  %11[0, 0, v17] = v19
}
call "topk" "TopK 't'" dlc_topk(%0, none) -> (%3, none) params(3, {n} + 1) binds(0.1 m)
bind k = %8[0, 1] in -1..10 "Reshape 'x'"
set j = {n + 1}
check {n} == 4 "n must be 4"
if %7 {
  set j = 2
} else {
}
repeat i in {n} {
  set q = {i}
}
while %7 counter c trip 7 {
}
while %7 counter c {
}
)";

TEST(KernelText, RoundTrips) {
  const Program program = parse_program(kEverything);
  EXPECT_EQ(to_text(program), kEverything);
  EXPECT_EQ(to_text(parse_program(to_text(program))), kEverything);
  EXPECT_EQ(program.next_var, 36);
}

TEST(KernelText, KeepsTheShapeOfTrees) {
  const Expr v = var(static_cast<VarId>(0));
  const Expr tree =
      make(ExprOp::kSub, DType::kInt64,
           {v, make(ExprOp::kSub, DType::kInt64, {integer(1), make(ExprOp::kAdd, DType::kInt64, {v, v})})});
  EXPECT_EQ(to_string(tree), "v0 - (1 - (v0 + v0))");
  EXPECT_EQ(to_string(v + integer(1) < v * integer(2)), "v0 + 1 < v0 * 2");
}

TEST(KernelText, WritesLargeConstantsByHash) {
  Program program;
  Tensor large(DType::kFloat, {5, 5});
  large.mutable_as<float>()[24] = 1.0f;
  program.add_buffer({.name = "w",
                      .kind = BufferKind::kConstant,
                      .dtype = DType::kFloat,
                      .shape = {5, 5},
                      .constant = large});
  const std::string text = to_text(program);
  EXPECT_THROW(parse_program(text), Error);
  std::string asked;
  const Program again = parse_program(text, [&](const std::string& hash, DType, const std::vector<int64_t>&) {
    asked = hash;
    return large;
  });
  EXPECT_EQ(asked.size(), 16u);
  EXPECT_TRUE(identical(again.buffers[0].constant, large));
  EXPECT_EQ(to_text(again), text);
}

struct BadText {
  std::string_view text;
  std::string_view message;
};

TEST(KernelText, NamesLineExpectedAndFound) {
  const BadText cases[] = {
      {"program 3", "line 1: expected a string, found '3'"},
      {"program \"p\"\n%0 = input f32[2] \"x\"\nkernel \"k\" \"o\" { %0[v1] = 1.0 }",
       "line 3: variable 'v1' is not declared"},
      {"program \"p\"\n%1 = input f32[2] \"x\"", "line 2: expected buffer %0, found %1"},
      {"program \"p\"\nkernel \"k\" \"o\" { let v0 = 1 + 2.0 }", "line 2: '+' of i64 and f32"},
      {"program \"p\"\nkernel \"k\" \"o\" { let v0 = frob(1) }", "unknown function 'frob'"},
      {"program \"p\"\nkernel \"k\" \"o\" { let v0 = min(1) }", "'min' takes 2 arguments, found 1"},
      {"program \"p\"\n%0 = input f32[2 \"x\"", "a bracket without end"},
      {"program \"p\"\nkernel \"k\" \"o\" { %3[0] = 1.0 }", "unknown buffer %3"},
  };
  for (const BadText& bad : cases) {
    try {
      parse_program(bad.text);
      ADD_FAILURE() << "accepted: " << bad.text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      EXPECT_NE(std::string(error.what()).find(bad.message), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace dlc::ir
