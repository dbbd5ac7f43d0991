// Generated products with weights in blocks against the interpreter: bytes and floats of A, weights of 4 and
// 8 bits, tails, instruction sets.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "ir/kernel/interpret.h"
#include "ir/kernel/text.h"
#include "passes/choose_layouts.h"
#include "passes/choose_schedules.h"
#include "tests/unit/codegen/kernel_runner.h"

namespace dlc {
namespace {

struct Sizes {
  int64_t rows, columns, blocks, block;
};

Tensor random_integers(DType type, std::vector<int64_t> shape, uint32_t seed) {
  Tensor tensor(type, std::move(shape));
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int> uniform(0, 255);
  auto* bytes = static_cast<uint8_t*>(tensor.mutable_data());
  for (int64_t i = 0; i < tensor.byte_size(); ++i) bytes[i] = static_cast<uint8_t>(uniform(generator));
  return tensor;
}

// The sum of a block less a part of `%3`, times its scale. Weights of floats have a zero point.
ir::Program program_of(const Sizes& s, DType weights, bool bytes) {
  const std::string a = bytes ? "i8" : "f32", sum = bytes ? "i32" : "f32";
  const std::string term = bytes ? "f32(v5 - 8:i32 * %3[v0, v2])" : "v5 - 0.25 * %3[v0, v2]";
  ir::Program program = ir::parse_program(fmt::format(
      R"(program "blocks"
        %0 = input {}[{}, {}, {}] at 0 "a"
        %1 = temp {}[{}, {}, {}] "b"
        %2 = input f32[{}, {}] at 1 "scale"
        %3 = input {}[{}, {}] at 2 "sum"
        %4 = output f32[{}, {}] at 0 "y"
        contraction "block_product" "" {{
          m v0 in {}
          n v1 in {}
          k v2 in {}
          k v3 in {}
          a = %0[v0, v2, v3]
          b = %1[v1, v2, v3]{}
          sum f32 v4
          parts v2 {} v5 = ({}) * %2[v2, v1]
          %4[v0, v1] = v4 + 1.0
          schedule naive panel 16
        }})",
      a, s.rows, s.blocks, s.block, name(weights), s.columns, s.blocks, s.block, s.blocks, s.columns, sum,
      s.rows, s.blocks, s.rows, s.columns, s.rows, s.columns, s.blocks, s.block,
      bytes ? "" : " zero_point 8:i32", sum, term));
  ir::Buffer& b = program.buffer(static_cast<ir::BufferId>(1));
  b.kind = ir::BufferKind::kConstant;
  b.constant = random_integers(weights, {s.columns, s.blocks, s.block}, 2);
  return program;
}

std::vector<Tensor> inputs_of(const Sizes& s, bool bytes) {
  const std::vector<int64_t> a = {s.rows, s.blocks, s.block}, sums = {s.rows, s.blocks};
  Tensor sum(DType::kInt32, sums);
  for (int64_t i = 0; i < sum.size(); ++i) sum.set_int(i, i * 37 % 101 - 50);
  return {bytes ? random_integers(DType::kInt8, a, 3) : test::random_floats(a, 3),
          test::random_floats({s.blocks, s.columns}, 4), bytes ? sum : test::random_floats(sums, 5)};
}

const ir::Contraction& only_contraction(const ir::Program& program) {
  return std::get<ir::Contraction>(std::get<ir::KernelStep>(program.main.steps.at(0).node).kernel.body);
}

void check(const Sizes& s, DType weights, bool bytes) {
  SCOPED_TRACE(fmt::format("{} rows, {} columns, {} blocks of {} {}, {}", s.rows, s.columns, s.blocks,
                           s.block, name(weights), bytes ? "bytes" : "floats"));
  ir::Program program = program_of(s, weights, bytes);
  const std::vector<Tensor> inputs = inputs_of(s, bytes);
  const Tensor expected = ir::interpret(program, inputs)[0];
  passes::choose_layouts(program, {});
  passes::choose_schedules(program, {});
  ASSERT_EQ(program.main.steps.size(), 1u);
  const ir::Contraction& c = only_contraction(program);
  EXPECT_EQ(c.schedule.algorithm, ir::Algorithm::kGemm);
  EXPECT_EQ(program.buffer(c.b.buffer).dtype, weights) << "the weights stay packed";
  EXPECT_LE(test::relative_difference(ir::interpret(program, inputs)[0], expected), 1e-6);
  for (const codegen::Target& target : test::executable_targets()) {
    for (test::Guard guard : {test::Guard::kEnd, test::Guard::kBegin}) {
      const Tensor found = test::run_kernels(program, target, inputs, {}, guard)[0];
      EXPECT_LE(test::relative_difference(found, expected), 1e-5) << target.cpu;
    }
  }
  const codegen::Target native = codegen::Target::parse("native");
  EXPECT_LE(test::relative_difference(test::run_kernels(program, native, inputs)[0], expected), 1e-5);
}

TEST(BlockContraction, AgreesWithTheInterpreter) {
  for (DType weights : {DType::kUint4, DType::kUint8}) {
    for (bool bytes : {true, false}) {
      for (int64_t rows : {1, 3, 9}) check({rows, 19, 3, 16}, weights, bytes);
      for (int64_t columns : {1, 16, 80}) check({2, columns, 1, 32}, weights, bytes);
    }
  }
}

// Blocks whose length the packed form cannot have run as loops.
TEST(BlockContraction, RunsAsLoopsElsewhere) {
  const Sizes sizes{2, 5, 2, 12};
  ir::Program program = program_of(sizes, DType::kUint4, true);
  const std::vector<Tensor> inputs = inputs_of(sizes, true);
  const Tensor expected = ir::interpret(program, inputs)[0];
  passes::choose_layouts(program, {});
  passes::choose_schedules(program, {});
  ASSERT_TRUE(std::holds_alternative<ir::LoopNest>(
      std::get<ir::KernelStep>(program.main.steps.at(0).node).kernel.body));
  const codegen::Target native = codegen::Target::parse("native");
  EXPECT_LE(test::relative_difference(test::run_kernels(program, native, inputs)[0], expected), 1e-5);
}

}  // namespace
}  // namespace dlc
