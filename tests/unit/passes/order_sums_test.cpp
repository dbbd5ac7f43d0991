#include "passes/schedule/order_sums.h"

#include <gtest/gtest.h>

#include "ir/kernel/text.h"
#include "ir/kernel/verify.h"

namespace dlc::passes {
namespace {

// The last kernel sums up %0.
ir::Program program_with(const std::string& buffer, const std::string& body) {
  const bool is_matrix = buffer.find(',') == buffer.rfind(',');
  const std::string first = is_matrix ? "%0[0, 0]" : "%0[0, 0, 0]";
  return ir::parse_program("program \"p\"\nsymbol n input\n%0 = temp " + buffer +
                           " \"x\"\n%1 = output f32[] at 0 \"y\"\nkernel \"first\" \"Fill\" { " + first +
                           " = 1.0 }\nkernel \"sum\" \"Sum\" {\nlet v0 = 0.0\n" + body + "%1[] = v0\n}\n");
}

std::string ordered(ir::Program program) {
  auto& kernel = std::get<ir::KernelStep>(program.main.steps.back().node).kernel;
  order_sums(program, std::get<ir::LoopNest>(kernel.body).body);
  ir::verify(program);
  return ir::to_text(program);
}

constexpr const char* kThree =
    "for v1 in 0..4 { for v2 in 0..{n} { for v3 in 0..3 { reduce v0 sum %0[v1, v2, v3] * %0[v1, v2, v3] } } "
    "}\n";

TEST(OrderSums, AWholeTensorIsOneLoop) {
  const std::string after = "for v3 in 0..{12*n} { reduce v0 sum %0[0, 0, v3] * %0[0, 0, v3] }\n";
  EXPECT_EQ(ordered(program_with("f32[4, n, 3]", kThree)), ir::to_text(program_with("f32[4, n, 3]", after)));
}

TEST(OrderSums, LoopsRunInTheOrderOfMemory) {
  const std::string buffer = "f32[4, n, 3] order(1, 2, 0)";
  const std::string after = "for v1 in 0..{12*n} { reduce v0 sum %0[v1, 0, 0] * %0[v1, 0, 0] }\n";
  EXPECT_EQ(ordered(program_with(buffer, kThree)), ir::to_text(program_with(buffer, after)));
}

TEST(OrderSums, LoopsOfDifferentWalksStayTwo) {
  const std::string before = "for v1 in 0..3 { for v2 in 0..{n} { reduce v0 sum %0[v2, v1] * %0[v2, 0] } }\n";
  const std::string after = "for v2 in 0..{n} { for v1 in 0..3 { reduce v0 sum %0[v2, v1] * %0[v2, 0] } }\n";
  EXPECT_EQ(ordered(program_with("f32[n, 3]", before)), ir::to_text(program_with("f32[n, 3]", after)));
}

TEST(OrderSums, LeavesWhatReadsItsSum) {
  const ir::Program program = program_with(
      "f32[3, n]", "for v1 in 0..{n} { for v2 in 0..3 { reduce v0 sum %0[v2, v1] * (v0 + 1.0) } }\n");
  EXPECT_EQ(ordered(program), ir::to_text(program));
}

TEST(OrderSums, LeavesLoopsWhoseBoundsDependOnEachOther) {
  const ir::Program program =
      program_with("f32[n, n]", "for v1 in 0..{n} { for v2 in 0..v1 { reduce v0 sum %0[v2, v1] } }\n");
  EXPECT_EQ(ordered(program), ir::to_text(program));
}

}  // namespace
}  // namespace dlc::passes
