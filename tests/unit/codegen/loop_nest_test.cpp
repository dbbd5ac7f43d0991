// Generated loop nests against the interpreter: bounds that depend on other loops.
#include <gtest/gtest.h>

#include "ir/kernel/interpret.h"
#include "ir/kernel/text.h"
#include "passes/choose_schedules.h"
#include "tests/unit/codegen/kernel_runner.h"

namespace dlc {
namespace {

void expect_like_interpreter(const std::string& text, const std::vector<Tensor>& inputs) {
  ir::Program program = ir::parse_program(text);
  const std::vector<Tensor> expected = ir::interpret(program, inputs, {.double_accumulation = true});
  passes::choose_schedules(program, {});
  for (const codegen::Target& target : test::executable_targets()) {
    const std::vector<Tensor> actual = test::run_kernels(program, target, inputs);
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      EXPECT_LE(test::relative_difference(actual[i], expected[i]), 2e-6) << "on " << target.cpu;
    }
  }
}

// The store is contiguous along v0, whose lanes would need loops of different lengths.
TEST(LoopNest, LoopsInsideMayDependOnTheContiguousAxis) {
  expect_like_interpreter(R"(program "triangle"
%0 = input f32[40, 33] at 0 "x"
%1 = output f32[40] at 0 "y"
kernel "sum" "Sum" {
  parallel v0 in 0..40 {
    let v1 = 0.0
    for v2 in max(0, v0 - 7)..min(33, v0 + 2) {
      reduce v1 sum %0[v0, v2]
    }
    %1[v0] = v1
  }
}
)",
                          {test::random_floats({40, 33}, 1)});
}

// The length of the inner loop depends on the vector axis by way of a let.
TEST(LoopNest, LoopsInsideMayDependOnALetOfTheContiguousAxis) {
  expect_like_interpreter(R"(program "triangle"
%0 = input f32[40, 64] at 0 "x"
%1 = output f32[40] at 0 "y"
kernel "sum" "Sum" {
  parallel v0 in 0..40 {
    let v3 = v0 + 3
    let v1 = 0.0
    for v2 in 0..v3 {
      reduce v1 sum %0[v0, v2]
    }
    %1[v0] = v1
  }
}
)",
                          {test::random_floats({40, 64}, 2)});
}

// Clipped windows in five loops: an estimate of their work that took each for long would not fit an integer.
TEST(LoopNest, ManyClippedWindowsHaveAnEstimateOfTheirWork) {
  expect_like_interpreter(R"(program "window"
%0 = input f32[3, 4, 5, 6, 7] at 0 "x"
%1 = output f32[3, 4, 5, 6, 7] at 0 "y"
kernel "sum" "Sum" {
  parallel v0 in 0..3 {
    parallel v1 in 0..4 {
      for v2 in 0..5 {
        for v3 in 0..6 {
          for v4 in 0..7 {
            let v10 = 0.0
            for v5 in max(0, 1 - v0)..min(3, 3 - v0 + 1) {
              for v6 in max(0, 1 - v1)..min(3, 4 - v1 + 1) {
                for v7 in max(0, 1 - v2)..min(3, 5 - v2 + 1) {
                  for v8 in max(0, 1 - v3)..min(3, 6 - v3 + 1) {
                    for v9 in max(0, 1 - v4)..min(3, 7 - v4 + 1) {
                      reduce v10 sum %0[v0 + v5 - 1, v1 + v6 - 1, v2 + v7 - 1, v3 + v8 - 1, v4 + v9 - 1]
                    }
                  }
                }
              }
            }
            %1[v0, v1, v2, v3, v4] = v10
          }
        }
      }
    }
  }
}
)",
                          {test::random_floats({3, 4, 5, 6, 7}, 3)});
}

}  // namespace
}  // namespace dlc
