#include "passes/order_steps.h"

#include <gtest/gtest.h>

#include "ir/kernel/text.h"
#include "passes/plan_memory.h"

namespace dlc::passes {
namespace {

std::string map_kernel(const std::string& name, const std::string& target, const std::string& value) {
  return "kernel \"" + name + "\" \"" + name +
         "\" {\n  parallel v0 in 0..8 {\n    vector v1 in 0..64 {\n      " + target + "[v0, v1] = " + value +
         "\n    }\n  }\n}\n";
}

// Two parameters (%0, %1), of which the first is changed; %2 is what gradients are made from.
ir::Program program_of(const std::string& kernels) {
  return ir::parse_program(R"(program "step"
%0 = input f32[8, 64] at 0 "w"
%1 = input f32[8, 64] at 1 "u"
%2 = input f32[8, 64] at 2 "x"
%3 = output f32[8, 64] at 0 "next_w"
%4 = output f32[8, 64] at 1 "next_u"
%5 = temp f32[8, 64] "grad_w"
%6 = temp f32[8, 64] "grad_u"
)" + kernels);
}

std::string order_of(const ir::Program& program) {
  std::string names;
  for (const ir::Step& step : program.main.steps) {
    names += (names.empty() ? "" : " ") + std::get<ir::KernelStep>(step.node).kernel.name;
  }
  return names;
}

std::string order_of(const std::string& kernels, const std::vector<int>& in_place = {}) {
  ir::Program program = program_of(kernels);
  Options options;
  options.in_place = in_place;
  order_steps(program, options);
  return order_of(program);
}

const std::string kGradients =
    map_kernel("grad_w", "%5", "neg(%2[v0, v1])") + map_kernel("grad_u", "%6", "%2[v0, v1] * %0[v0, v1]");
const std::string kUpdates = map_kernel("update_w", "%3", "%0[v0, v1] - %5[v0, v1]") +
                             map_kernel("update_u", "%4", "%1[v0, v1] - %6[v0, v1]");

TEST(OrderSteps, UpdatesFollowTheirGradients) {
  EXPECT_EQ(order_of(kGradients + kUpdates), "grad_w update_w grad_u update_u");
}

TEST(OrderSteps, GradientsShareMemory) {
  ir::Program program = program_of(kGradients + kUpdates);
  const int64_t before = plan_memory(program).fixed_bytes;
  order_steps(program, {});
  EXPECT_EQ(before, 2 * 8 * 64 * 4);
  EXPECT_EQ(plan_memory(program).fixed_bytes, before / 2);
}

// grad_u still reads the w that the update replaces.
TEST(OrderSteps, WhatReplacesAnInputFollowsItsReaders) {
  EXPECT_EQ(order_of(kGradients + kUpdates, {0, 1}), "grad_w grad_u update_w update_u");
  EXPECT_EQ(order_of(kGradients + kUpdates, {-1, 1}), "grad_w update_w grad_u update_u");
}

// Holding its result longer would cost what giving %5 back earlier saves.
TEST(OrderSteps, LeavesKernelsThatWriteTemporaries) {
  const std::string kernels =
      map_kernel("first", "%5", "neg(%2[v0, v1])") + map_kernel("other", "%4", "neg(%1[v0, v1])") +
      map_kernel("second", "%6", "neg(%5[v0, v1])") + map_kernel("last", "%3", "neg(%6[v0, v1])");
  EXPECT_EQ(order_of(kernels), "other first second last");
}

// What a kernel writes beside outputs is held longer: that pays where it is a small part of what it reads.
std::string order_with_sums(const std::string& columns) {
  ir::Program program = ir::parse_program(R"(program "norm"
%0 = input f32[512, 64] at 0 "x"
%1 = output f32[512] at 0 "y"
%2 = temp f32[512, 64] "gradient"
%3 = temp f32[512, 64] "other"
%4 = temp f32[512, )" + columns + R"(] "sums"
kernel "gradient" "Neg" { parallel v0 in 0..512 { for v1 in 0..64 { %2[v0, v1] = neg(%0[v0, v1]) } } }
kernel "other" "Neg" { parallel v2 in 0..512 { for v3 in 0..64 { %3[v2, v3] = neg(%0[v2, v3]) } } }
kernel "sums" "Slice" { parallel v4 in 0..512 { for v5 in 0..)" +
                                          columns +
                                          R"( { %4[v4, v5] = %2[v4, v5] } } }
kernel "last" "Add" { parallel v6 in 0..512 { %1[v6] = %4[v6, 0] + %3[v6, 0] } }
)");
  order_steps(program, {});
  return order_of(program);
}

TEST(OrderSteps, PartialSumsFollowWhatTheySum) {
  EXPECT_EQ(order_with_sums("4"), "gradient sums other last");
  EXPECT_EQ(order_with_sums("32"), "gradient other sums last");
}

// An output that is read again is there before its reader, and written in order.
TEST(OrderSteps, KeepsDependencesBetweenOutputs) {
  const std::string kernels =
      map_kernel("first", "%5", "neg(%2[v0, v1])") + map_kernel("moment", "%4", "%1[v0, v1] + %5[v0, v1]") +
      map_kernel("second", "%6", "neg(%2[v0, v1])") + map_kernel("update", "%3", "%0[v0, v1] - %4[v0, v1]");
  EXPECT_EQ(order_of(kernels), "first moment update second");
}

}  // namespace
}  // namespace dlc::passes
