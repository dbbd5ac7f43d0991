#include "passes/reuse_inputs.h"

#include <gtest/gtest.h>

#include "codegen/compile.h"
#include "ir/text.h"
#include "runtime/program.h"

namespace dlc::passes {
namespace {

struct Compiled {
  runtime::Program program;
  std::vector<Reuse> reused;
};

Compiled compile(const std::string& text, std::vector<Reuse> wanted) {
  auto graph = ir::parse_graph(text);
  codegen::CompiledModel model = codegen::compile_to_object(*graph, {.reuse = std::move(wanted)});
  std::vector<Reuse> reused = model.report.reused;
  return {codegen::load(std::move(model)), std::move(reused)};
}

std::vector<int> outputs_of(const std::vector<Reuse>& reused) {
  std::vector<int> result;
  for (const Reuse& pair : reused) result.push_back(pair.output);
  return result;
}

Tensor numbers(double start, int64_t size) {
  Tensor result(DType::kFloat, {size, size});
  for (int64_t i = 0; i < size * size; ++i) result.set_double(i, start + 0.25 * static_cast<double>(i % 100));
  return result;
}

// What a run gives with the outputs in memory of their own, and in that of the inputs that are reused.
void expect_same(const Compiled& compiled, int64_t size = 3) {
  const size_t count = compiled.program.inputs().size();
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < count; ++i) inputs.push_back(numbers(static_cast<double>(i) - 1, size));
  runtime::Context context(compiled.program, {.threads = 1});
  std::vector<Tensor> expected;
  for (const Tensor& output : context.run(inputs)) {
    expected.emplace_back(output.dtype(), output.shape());
    std::copy_n(output.as<float>(), output.size(), expected.back().mutable_as<float>());
  }
  std::vector<dlc_tensor> given, taken(expected.size());
  for (const Tensor& input : inputs) given.push_back(runtime::border_tensor(input));
  for (const Reuse& pair : compiled.reused)
    taken[static_cast<size_t>(pair.output)] = runtime::border_tensor(inputs[static_cast<size_t>(pair.input)]);
  context.run(given, taken);
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto* found = static_cast<const float*>(taken[i].data);
    for (int64_t k = 0; k < size * size; ++k)
      ASSERT_EQ(found[k], expected[i].as<float>()[k]) << i << " " << k;
  }
}

TEST(ReuseInputs, TakesWhatIsComputedElementByElement) {
  const Compiled compiled = compile(R"(graph g(%w: f32[3, 3], %m: f32[3, 3], %g: f32[3, 3]) {
  %rate = const f32[] {0.5}
  %kept = Mul(%m, %rate)
  %m2 = Add(%kept, %g)
  %step = Mul(%m2, %rate)
  %w2 = Sub(%w, %step)
  return %w2 as "w2", %m2 as "m2"
}
)",
                                    {{0, 0}, {1, 1}});
  EXPECT_EQ(outputs_of(compiled.reused), (std::vector<int>{0, 1}));
  expect_same(compiled);
}

// Large ones are computed in pieces.
TEST(ReuseInputs, TakesWhatIsComputedInPieces) {
  const Compiled compiled = compile(R"(graph g(%w: f32[150, 150], %g: f32[150, 150]) {
  %w2 = Sub(%w, %g)
  return %w2 as "w2"
}
)",
                                    {{0, 0}});
  EXPECT_EQ(outputs_of(compiled.reused), std::vector<int>{0});
  expect_same(compiled, 150);
}

// An element of the output needs others of the input.
TEST(ReuseInputs, LeavesWhatReadsOtherPlaces) {
  const Compiled compiled = compile(R"(graph g(%w: f32[3, 3], %v: f32[3, 3]) {
  %t = Transpose(%w) {perm = [1, 0]}
  %w2 = Add(%w, %t)
  %v2 = MatMul(%v, %v)
  return %w2 as "w2", %v2 as "v2"
}
)",
                                    {{0, 0}, {1, 1}});
  EXPECT_TRUE(compiled.reused.empty());
  expect_same(compiled);
}

// Each of two outputs needs the other one's input: one can be computed last, in place, the other not.
TEST(ReuseInputs, OrdersKernelsOnce) {
  const Compiled compiled = compile(R"(graph g(%a: f32[3, 3], %b: f32[3, 3]) {
  %a2 = Add(%a, %b)
  %b2 = Mul(%a, %b)
  return %a2 as "a2", %b2 as "b2"
}
)",
                                    {{0, 0}, {1, 1}});
  EXPECT_EQ(outputs_of(compiled.reused), std::vector<int>{0});
  expect_same(compiled);
}

// What reads the input after the output was computed runs before it instead.
TEST(ReuseInputs, MovesKernelsBehindReaders) {
  const Compiled compiled = compile(R"(graph g(%a: f32[3, 3], %b: f32[3, 3]) {
  %a2 = Exp(%a)
  %c = MatMul(%a, %b)
  return %a2 as "a2", %c as "c"
}
)",
                                    {{0, 0}});
  EXPECT_EQ(outputs_of(compiled.reused), std::vector<int>{0});
  expect_same(compiled);
}

}  // namespace
}  // namespace dlc::passes
