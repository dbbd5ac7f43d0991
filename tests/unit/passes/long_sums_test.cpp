#include "passes/schedule/long_sums.h"

#include <gtest/gtest.h>

#include "ir/kernel/interpret.h"
#include "ir/kernel/text.h"
#include "ir/kernel/verify.h"

namespace dlc::passes {
namespace {

// A program with one kernel, which sums up %0 of the given extents.
ir::Program program_with(const std::string& body, const std::string& extents) {
  return ir::parse_program("program \"p\"\nsymbol n input\n%0 = input f32[" + extents +
                           "] at 0 \"x\"\n%1 = output f32[] at 0 \"y\"\nkernel \"sum\" \"Sum\" {\n" + body +
                           "}\n");
}

void split(ir::Program& program) {
  auto& kernel = std::get<ir::KernelStep>(program.main.steps[0].node).kernel;
  split_long_sums(std::get<ir::LoopNest>(kernel.body).body, program);
  ir::verify(program);
}

void expect_split(const std::string& extents, const std::string& before, const std::string& after) {
  ir::Program program = program_with(before, extents), expected = program_with(after, extents);
  split(program);
  EXPECT_EQ(ir::to_text(program), ir::to_text(expected));
}

TEST(SplitLongSums, AddsTheSumsOfInnerLoops) {
  expect_split("800, 700", R"(
  let v0 = 0.0
  for v1 in 0..800 {
    for v2 in 0..700 {
      reduce v0 sum %0[v1, v2]
    }
  }
  %1[] = v0
)",
               R"(
  let v0 = 0.0
  for v1 in 0..800 {
    let v3 = 0.0
    for v2 in 0..700 {
      reduce v3 sum %0[v1, v2]
    }
    reduce v0 sum v3
  }
  %1[] = v0
)");
}

TEST(SplitLongSums, CutsALoneLoopIntoChunks) {
  expect_split("n", R"(
  let v0 = 0.0
  for v1 in 0..{n} {
    let v2 = %0[v1] * 2.0
    reduce v0 sum v2
  }
  %1[] = v0
)",
               R"(
  let v0 = 0.0
  for v3 in 0..{ceildiv(n, 256)} {
    let v4 = 0.0
    for v1 in v3 * 256..min(v3 * 256 + 256, {n}) {
      let v2 = %0[v1] * 2.0
      reduce v4 sum v2
    }
    reduce v0 sum v4
  }
  %1[] = v0
)");
}

TEST(SplitLongSums, CutsTheLoopAroundShortOnes) {
  expect_split("600, 3", R"(
  let v0 = 0.0
  for v1 in 0..600 {
    for v2 in 0..3 {
      reduce v0 sum %0[v1, v2]
    }
  }
  %1[] = v0
)",
               R"(
  let v0 = 0.0
  for v3 in 0..8 {
    let v4 = 0.0
    for v1 in v3 * 85..min(v3 * 85 + 85, 600) {
      for v2 in 0..3 {
        reduce v4 sum %0[v1, v2]
      }
    }
    reduce v0 sum v4
  }
  %1[] = v0
)");
}

TEST(SplitLongSums, CutsVeryLongVectorLoops) {
  expect_split("2, 100000", R"(
  let v0 = 0.0
  for v1 in 0..2 {
    vector v2 in 0..100000 {
      reduce v0 sum %0[v1, v2]
    }
  }
  %1[] = v0
)",
               R"(
  let v0 = 0.0
  for v1 in 0..2 {
    for v3 in 0..13 {
      let v4 = 0.0
      vector v2 in v3 * 8192..min(v3 * 8192 + 8192, 100000) {
        reduce v4 sum %0[v1, v2]
      }
      reduce v0 sum v4
    }
  }
  %1[] = v0
)");
}

TEST(SplitLongSums, LeavesTheRestAlone) {
  const char* short_sum = R"(
  let v0 = 0.0
  for v1 in 0..1000 {
    reduce v0 sum %0[v1]
  }
  %1[] = v0
)";
  expect_split("1000", short_sum, short_sum);
  const char* vector_sum = R"(
  let v0 = 0.0
  vector v1 in 0..5000 {
    reduce v0 sum %0[v1]
  }
  %1[] = v0
)";
  expect_split("5000", vector_sum, vector_sum);
  const char* maximum = R"(
  let v0 = 0.0
  for v1 in 0..5000 {
    reduce v0 max %0[v1]
  }
  %1[] = v0
)";
  expect_split("5000", maximum, maximum);
  // The sum is read while it grows.
  const char* running = R"(
  let v0 = 0.0
  for v1 in 0..5000 {
    reduce v0 sum %0[v1] - v0
  }
  %1[] = v0
)";
  expect_split("5000", running, running);
}

TEST(SplitLongSums, MakesThemMoreAccurate) {
  const std::string body = R"(
  let v0 = 0.0
  for v1 in 0..{n} {
    reduce v0 sum %0[v1]
  }
  %1[] = v0
)";
  constexpr int64_t kCount = 300000;
  Tensor x(DType::kFloat, {kCount});
  for (int64_t i = 0; i < kCount; ++i) x.set_double(i, 0.1);
  const double exact = static_cast<double>(0.1f) * kCount;
  ir::Program plain = program_with(body, "n"), parts = program_with(body, "n");
  split(parts);
  EXPECT_GT(std::abs(ir::interpret(plain, {x})[0].get_double(0) / exact - 1), 1e-4);
  EXPECT_LT(std::abs(ir::interpret(parts, {x})[0].get_double(0) / exact - 1), 2e-5);
}

}  // namespace
}  // namespace dlc::passes
