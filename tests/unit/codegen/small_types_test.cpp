// Generated code on elements of a byte and less against the interpreter.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "ir/kernel/interpret.h"
#include "ir/kernel/lower.h"
#include "passes/choose_schedules.h"
#include "passes/expand_small_floats.h"
#include "tests/unit/codegen/kernel_runner.h"

namespace dlc {
namespace {

using ir::Expr;

constexpr DType kSubbytes[] = {DType::kInt4, DType::kUint4, DType::kInt2, DType::kUint2, DType::kFloat4E2M1};
constexpr DType kBytes[] = {DType::kFloat8E4M3FN, DType::kFloat8E4M3FNUZ, DType::kFloat8E5M2,
                            DType::kFloat8E5M2FNUZ, DType::kFloat8E8M0};

Tensor random_bits(DType type, std::vector<int64_t> shape, uint32_t seed) {
  Tensor tensor(type, std::move(shape));
  std::mt19937 generator(seed);
  for (int64_t i = 0; i < tensor.byte_size(); ++i)
    tensor.mutable_as<uint8_t>()[i] = static_cast<uint8_t>(generator());
  return tensor;
}

ir::BufferId add(ir::Program& p, ir::BufferKind kind, DType type, ir::Shape shape) {
  return p.add_buffer(
      {.name = "x", .kind = kind, .dtype = type, .shape = std::move(shape), .border_index = 0});
}

void expect_equal(ir::Program program, const Tensor& input, const std::string& what) {
  const Tensor expected = ir::interpret(program, {input})[0];
  passes::choose_schedules(program, {});
  for (const codegen::Target& target : test::executable_targets()) {
    ir::Program expanded = program;
    passes::expand_small_floats(expanded, {.float16 = target.has_f16});
    for (test::Guard guard : {test::Guard::kEnd, test::Guard::kBegin}) {
      const Tensor actual = test::run_kernels(expanded, target, {input}, {}, guard)[0];
      EXPECT_EQ(test::relative_difference(actual, expected), 0) << what << " on " << target.cpu;
    }
  }
}

// out[i, j] = in[index(i, j)] as float32, where rows of odd length begin in the middle of a byte.
template <class F>
void check_load(DType type, ir::Shape from, ir::Shape to, F index) {
  ir::Program p;
  const ir::BufferId a = add(p, ir::BufferKind::kInput, type, from);
  const ir::BufferId b = add(p, ir::BufferKind::kOutput, DType::kFloat, to);
  const ir::VarId vi = p.fresh_var(), vj = p.fresh_var();
  const Expr i = ir::var(vi), j = ir::var(vj);
  const Expr value = ir::cast(ir::load(a, type, index(i, j)), DType::kFloat);
  p.main.steps.push_back({ir::KernelStep{
      ir::Kernel{"load", "", ir::LoopNest{ir::nest({vi, vj}, to, 2, {ir::store(b, {i, j}, value)})}}}});
  expect_equal(p, random_bits(type, ir::static_shape(from), 3),
               fmt::format("{} {} -> {}", name(type), ir::to_string(from), ir::to_string(to)));
}

TEST(SubbyteElements, LoadFromAnyPosition) {
  for (DType type : kSubbytes) {
    for (int64_t columns : {1, 3, 15, 16, 17, 33, 64, 67}) {
      check_load(type, {5, columns}, {5, columns}, [](const Expr& i, const Expr& j) {
        return std::vector<Expr>{i, j};
      });
    }
    check_load(type, {37, 9}, {9, 37}, [](const Expr& i, const Expr& j) { return std::vector<Expr>{j, i}; });
    check_load(type, {3, 101}, {3, 50}, [](const Expr& i, const Expr& j) {
      return std::vector<Expr>{i, j * ir::integer(2) + ir::integer(1)};
    });
    check_load(type, {7}, {4, 40}, [](const Expr& i, const Expr& j) {
      return std::vector<Expr>{ir::binary(ir::ExprOp::kFloorDiv, i + j, ir::integer(7))};
    });
  }
}

TEST(SubbyteElements, LoadUnderACondition) {
  for (DType type : kSubbytes) {
    ir::Program p;
    const ir::BufferId a = add(p, ir::BufferKind::kInput, type, {3, 29});
    const ir::BufferId b = add(p, ir::BufferKind::kOutput, DType::kFloat, {3, 45});
    const ir::VarId vi = p.fresh_var(), vj = p.fresh_var();
    const Expr i = ir::var(vi), j = ir::var(vj);
    const Expr padded =
        ir::select(j < ir::integer(29), ir::cast(ir::load(a, type, {i, j}), DType::kFloat), ir::real(-1));
    p.main.steps.push_back({ir::KernelStep{ir::Kernel{
        "pad", "", ir::LoopNest{ir::nest({vi, vj}, {3, 45}, 2, {ir::store(b, {i, j}, padded)})}}}});
    expect_equal(p, random_bits(type, {3, 29}, 4), std::string(name(type)));
  }
}

TEST(SmallFloats, ConvertInGeneratedCode) {
  for (DType type : kBytes) {
    check_load(type, {16, 17}, {16, 17}, [](const Expr& i, const Expr& j) {
      return std::vector<Expr>{i, j};
    });
  }
  for (DType type : {DType::kFloat8E4M3FN, DType::kFloat8E4M3FNUZ, DType::kFloat8E5M2, DType::kFloat8E5M2FNUZ,
                     DType::kFloat8E8M0, DType::kFloat16, DType::kBfloat16}) {
    ir::Program p;
    const ir::BufferId a = add(p, ir::BufferKind::kInput, DType::kFloat, {1000});
    const ir::BufferId b = add(p, ir::BufferKind::kOutput, type, {1000});
    const ir::VarId v = p.fresh_var();
    const Expr value = ir::cast(ir::load(a, DType::kFloat, {ir::var(v)}), type);
    p.main.steps.push_back({ir::KernelStep{ir::Kernel{
        "convert", "", ir::LoopNest{ir::nest({v}, {1000}, 1, {ir::store(b, {ir::var(v)}, value)})}}}});
    expect_equal(p, random_bits(DType::kFloat, {1000}, 5), std::string(name(type)));
  }
}

}  // namespace
}  // namespace dlc
