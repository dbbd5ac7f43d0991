// Loops that do not end by themselves.
#include <gtest/gtest.h>

#include "codegen/compile.h"
#include "runtime/error.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

constexpr int64_t kLimit = 1000;

// Counts up to `last`: by its condition, or by its trip count.
std::string loop(const char* inputs) {
  return std::string(R"(
    g (int64 last, bool go, int64[1] start) => (int64[1] y) {
      y = Loop <body = body (int64 i, bool c, int64[1] v) => (bool more, int64[1] next) {
        one = Constant <value = int64 {1}> ()
        next = Add (v, one)
        head = Squeeze (next)
        more = Less (head, last)
      }> ()") +
         inputs + ") }";
}

void expect_limit(const char* inputs) {
  codegen::CompileOptions options;
  options.passes.max_iterations = kLimit;
  const runtime::Program program = codegen::compile(*graph_from_text(loop(inputs)), options);
  const auto run = [&](int64_t last) {
    Tensor go(DType::kBool, {}), start(DType::kInt64, {1});
    go.set_int(0, 1);
    start.set_int(0, 0);
    return runtime::Context(program, {.threads = 1})
        .run({Tensor::scalar(DType::kInt64, static_cast<double>(last)), go, start});
  };
  EXPECT_EQ(run(kLimit)[0].get_int(0), kLimit);
  try {
    run(kLimit + 1);
    ADD_FAILURE() << "the run does not fail";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Loop (output 'y'): expected at most 1000 iterations"),
              std::string::npos)
        << error.what();
  }
}

TEST(LoopLimit, EndsLoopsWithoutTripCount) { expect_limit(", go, start"); }
TEST(LoopLimit, EndsLoopsWhoseConditionComesLate) { expect_limit("last, go, start"); }

}  // namespace
}  // namespace dlc::test
