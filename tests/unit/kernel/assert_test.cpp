// dlc.Assert, which the importer leaves where a condition decides which branch was possible.
#include <gtest/gtest.h>

#include "ir/kernel/interpret.h"
#include "ir/kernel/lower.h"
#include "ir/kernel/verify.h"
#include "ir/op.h"
#include "ir/text.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

TEST(Assert, StopsTheRunUnlessTheConditionIsAsExpected) {
  const auto graph = parse_graph(R"(graph g(%c: bool[], %x: f32[2]) {
  %y = dlc.Assert(%c, %x) {expected = 1, message = "the last axis"}
  return %y as "y"
})");
  infer_types(*graph);
  const Program program = lower_to_kernels(*graph);
  verify(program);
  Tensor condition(DType::kBool, {}), x(DType::kFloat, {2});
  x.set_double(0, 3);
  x.set_double(1, 4);
  condition.set_int(0, 1);
  EXPECT_EQ(interpret(program, {condition, x}).at(0).get_double(1), 4);
  condition.set_int(0, 0);
  try {
    interpret(program, {condition, x});
    FAIL() << "a condition that is not met goes unnoticed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the last axis"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace dlc::ir
