// Generated contractions of 8-bit integers, bit for bit against plain loops: signs of both operands, zero
// points, tails, padding, instruction sets.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <llvm/IR/Module.h>

#include <random>

#include "codegen/emit_kernel.h"
#include "codegen/optimize.h"
#include "ir/kernel/interpret.h"
#include "passes/choose_layouts.h"
#include "passes/choose_schedules.h"
#include "tests/unit/codegen/kernel_runner.h"

namespace dlc {
namespace {

using ir::AxisRole;
using ir::BufferKind;
using ir::Expr;
using ir::VarId;

Tensor random_bytes(DType type, std::vector<int64_t> shape, uint32_t seed) {
  Tensor tensor(type, std::move(shape));
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int> uniform(0, 255);
  for (int64_t i = 0; i < tensor.size(); ++i)
    tensor.mutable_as<uint8_t>()[i] = static_cast<uint8_t>(uniform(generator));
  return tensor;
}

// Where a zero point comes from.
enum class Zero : uint8_t { kNone, kConstant, kInput, kConstantVector, kInputVector };

struct Signs {
  DType a, b;
};
constexpr Signs kSigns[] = {{DType::kUint8, DType::kInt8},
                            {DType::kInt8, DType::kInt8},
                            {DType::kUint8, DType::kUint8},
                            {DType::kInt8, DType::kUint8}};

// A program in the making with the inputs that it is run on.
struct Draft {
  ir::Program program;
  std::vector<Tensor> inputs;

  ir::BufferId add(BufferKind kind, DType type, std::vector<int64_t> shape, Tensor content = {}) {
    ir::Buffer buffer;
    buffer.kind = kind;
    buffer.dtype = type;
    for (int64_t extent : shape) buffer.shape.push_back(extent);
    if (kind == BufferKind::kOutput) buffer.border_index = 0;
    if (kind == BufferKind::kConstant) buffer.constant = std::move(content);
    if (kind == BufferKind::kInput) {
      buffer.border_index = static_cast<int>(inputs.size());
      inputs.push_back(std::move(content));
    }
    return program.add_buffer(std::move(buffer));
  }

  ir::BufferId add(const Tensor& content, bool constant) {
    return add(constant ? BufferKind::kConstant : BufferKind::kInput, content.dtype(), content.shape(),
               content);
  }

  // The zero point at a position of its axis, and its elements for the plain loops.
  struct Point {
    Expr value;
    std::vector<int64_t> elements;
  };
  Point point(Zero zero, DType type, const Expr& position, int64_t extent, uint32_t seed) {
    const bool vector = zero == Zero::kConstantVector || zero == Zero::kInputVector;
    const Tensor content = random_bytes(type, {vector ? extent : 1}, seed);
    Point result{{}, std::vector<int64_t>(static_cast<size_t>(extent), 0)};
    if (zero == Zero::kNone) return result;
    for (int64_t i = 0; i < extent; ++i)
      result.elements[static_cast<size_t>(i)] = content.get_int(vector ? i : 0);
    if (zero == Zero::kConstant) {
      result.value = ir::integer(content.get_int(0), type);
      return result;
    }
    const ir::BufferId buffer = add(content, zero == Zero::kConstantVector);
    result.value = ir::load(buffer, type, {vector ? position : ir::integer(0)});
    return result;
  }
};

std::vector<codegen::Target> targets() {
  std::vector<codegen::Target> all = test::executable_targets();
  const codegen::Target native = codegen::Target::parse("native");
  if (native.has_vnni) all.push_back(native);
  return all;
}

const ir::Contraction* scheduled_contraction(const ir::Program& program) {
  const ir::Contraction* found = nullptr;
  ir::for_each_step(program.main, [&](const ir::Step& step) {
    if (auto* c = std::get_if<ir::Contraction>(&std::get<ir::KernelStep>(step.node).kernel.body)) found = c;
  });
  return found;
}

void expect_identical(const Tensor& found, const Tensor& expected, const std::string& what) {
  ASSERT_EQ(found.shape(), expected.shape()) << what;
  for (int64_t i = 0; i < expected.size(); ++i)
    ASSERT_EQ(found.get_double(i), expected.get_double(i)) << what << ", element " << i;
}

void check(Draft& draft, const Tensor& expected, ir::Algorithm algorithm, const std::string& what,
           const std::map<std::string, int64_t>& symbols = {}) {
  ir::Program& program = draft.program;
  if (symbols.empty())
    expect_identical(ir::interpret(program, draft.inputs)[0], expected, what + " before schedules");
  passes::choose_layouts(program, {});
  passes::choose_schedules(program, {});
  const ir::Contraction* c = scheduled_contraction(program);
  ASSERT_NE(c, nullptr) << what;
  EXPECT_EQ(c->schedule.algorithm, algorithm) << what;
  // What runs before it may have loops beyond the axes that they index.
  if (symbols.empty() && program.main.steps.size() == 1)
    expect_identical(ir::interpret(program, draft.inputs)[0], expected, what + " with schedules");
  for (const codegen::Target& target : targets()) {
    for (test::Guard guard : {test::Guard::kEnd, test::Guard::kBegin}) {
      if (guard == test::Guard::kBegin && !target.has_vnni) continue;
      expect_identical(test::run_kernels(program, target, draft.inputs, symbols, guard)[0], expected,
                       what + " on " + target.cpu);
    }
  }
}

// ---- Products ---------------------------------------------------------------------------------------------

struct Matrices {
  int64_t m, n, k;
  Zero a_zero = Zero::kNone, b_zero = Zero::kNone;
  bool constant_b = true, symbolic = false, transposed_a = false;
};

Draft product(const Matrices& p, Signs signs, Tensor& expected) {
  Draft s;
  const VarId vm = s.program.fresh_var(), vn = s.program.fresh_var(), vk = s.program.fresh_var();
  const Expr i = ir::var(vm), j = ir::var(vn), k = ir::var(vk);
  const ir::Dim m = p.symbolic ? ir::Dim::symbol("m") : ir::Dim(p.m);
  const ir::Dim depth = p.symbolic ? ir::Dim::symbol("k") : ir::Dim(p.k);
  if (p.symbolic) s.program.symbols = {{"m", {{}, true}}, {"k", {{}, true}}};
  const Tensor a = random_bytes(signs.a, p.transposed_a ? std::vector{p.k, p.m} : std::vector{p.m, p.k}, 1);
  const Tensor b = random_bytes(signs.b, {p.k, p.n}, 2);
  ir::Contraction c;
  c.axes = {{vm, m, AxisRole::kM}, {vn, p.n, AxisRole::kN}, {vk, depth, AxisRole::kK}};
  c.a = {s.add(a, false), p.transposed_a ? std::vector{k, i} : std::vector{i, k}};
  c.b = {s.add(b, p.constant_b), {k, j}};
  if (p.symbolic) {
    s.program.buffer(c.a.buffer).shape = {m, depth};
    s.program.buffer(c.b.buffer).shape[0] = depth;
  }
  const Draft::Point za = s.point(p.a_zero, signs.a, i, p.m, 3), zb = s.point(p.b_zero, signs.b, j, p.n, 4);
  c.a.zero_point = za.value;
  c.b.zero_point = zb.value;
  c.accumulator = s.program.fresh_var();
  c.accumulator_type = DType::kInt32;
  c.out = s.add(BufferKind::kOutput, DType::kInt32, {p.m, p.n});
  if (p.symbolic) s.program.buffer(c.out).shape[0] = m;
  c.out_index = {i, j};
  c.epilogue = ir::var(c.accumulator, DType::kInt32);
  s.program.main.steps.push_back({ir::KernelStep{ir::Kernel{"product", "", c}}});
  expected = Tensor(DType::kInt32, {p.m, p.n});
  for (int64_t row = 0; row < p.m; ++row) {
    for (int64_t column = 0; column < p.n; ++column) {
      int64_t sum = 0;
      for (int64_t at = 0; at < p.k; ++at) {
        const int64_t x = a.get_int(p.transposed_a ? at * p.m + row : row * p.k + at);
        sum += (x - za.elements[static_cast<size_t>(row)]) *
               (b.get_int(at * p.n + column) - zb.elements[static_cast<size_t>(column)]);
      }
      expected.mutable_as<int32_t>()[row * p.n + column] = static_cast<int32_t>(sum);
    }
  }
  return s;
}

void check_product(const Matrices& p, Signs signs) {
  Tensor expected;
  Draft draft = product(p, signs, expected);
  std::map<std::string, int64_t> symbols;
  if (p.symbolic) symbols = {{"m", p.m}, {"k", p.k}};
  check(draft, expected, ir::Algorithm::kGemm,
        fmt::format("{}x{}x{} {} {} zeros {} {} constant_b={} symbolic={}", p.m, p.n, p.k, name(signs.a),
                    name(signs.b), static_cast<int>(p.a_zero), static_cast<int>(p.b_zero), p.constant_b,
                    p.symbolic),
        symbols);
}

TEST(ByteProduct, TakesAllSignsAndTails) {
  for (Signs signs : kSigns) {
    for (auto [m, n, k] : std::vector<std::array<int64_t, 3>>{
             {1, 16, 64}, {3, 3, 1}, {8, 17, 3}, {9, 50, 7}, {17, 64, 130}, {5, 24, 6}, {24, 96, 33}}) {
      check_product({m, n, k}, signs);
    }
  }
}

TEST(ByteProduct, TakesZeroPointsFromAnywhere) {
  constexpr Zero kAll[] = {Zero::kNone, Zero::kConstant, Zero::kInput, Zero::kConstantVector,
                           Zero::kInputVector};
  size_t number = 0;
  for (Zero zero : kAll) {
    for (Signs signs : kSigns) {
      const Matrices forms[] = {{9, 37, 21, zero, Zero::kConstantVector},
                                {5, 20, 8, Zero::kInput, zero},
                                {10, 33, 13, zero, zero, false}};
      check_product(forms[number++ % 3], signs);
    }
  }
}

TEST(ByteProduct, TakesExtentsOfTheRun) {
  constexpr std::array<int64_t, 2> kExtents[] = {{1, 5}, {7, 8}, {12, 3}, {20, 30}};
  for (size_t i = 0; i < std::size(kSigns); ++i) {
    const auto [m, k] = kExtents[i];
    check_product({m, 19, k, Zero::kInput, Zero::kInput, false, true}, kSigns[i]);
  }
}

TEST(ByteProduct, TakesColumnsOfA) {
  for (Signs signs : kSigns) {
    check_product({9, 18, 11, Zero::kConstant, Zero::kNone, true, false, true}, signs);
  }
}

// What would saturate or overflow 16 bits: all elements at the ends of their range.
TEST(ByteProduct, NeverSaturates) {
  for (Signs signs : kSigns) {
    for (int ends = 0; ends < 4; ++ends) {
      Tensor expected;
      Draft s = product({6, 32, 64}, signs, expected);
      const int64_t a = ends % 2 == 0 ? 255 : 128, b = ends / 2 == 0 ? 255 : 128;
      Tensor& left = s.inputs[0];
      std::fill_n(left.mutable_as<uint8_t>(), left.size(), static_cast<uint8_t>(a));
      const ir::Contraction& c =
          std::get<ir::Contraction>(std::get<ir::KernelStep>(s.program.main.steps[0].node).kernel.body);
      Tensor& right = s.program.buffer(c.b.buffer).constant;
      std::fill_n(right.mutable_as<uint8_t>(), right.size(), static_cast<uint8_t>(b));
      for (int64_t i = 0; i < expected.size(); ++i)
        expected.set_int(i, 64 * left.get_int(0) * right.get_int(0));
      check(s, expected, ir::Algorithm::kGemm, fmt::format("ends {}", ends));
    }
  }
}

TEST(ByteProduct, NeedsNoRowSumsForWeightsThatStayInEightBits) {
  Tensor expected;
  Draft plain = product({4, 16, 8, Zero::kConstant, Zero::kNone}, kSigns[1], expected);
  passes::choose_schedules(plain.program, {});
  EXPECT_EQ(scheduled_contraction(plain.program)->schedule.row_sum, VarId::kNone);
  Draft shifted = product({4, 16, 64, Zero::kConstant, Zero::kConstant}, kSigns[2], expected);
  passes::choose_schedules(shifted.program, {});
  EXPECT_NE(scheduled_contraction(shifted.program)->schedule.row_sum, VarId::kNone);
}

std::string assembly(const ir::Program& program, const std::string& cpu) {
  const codegen::Target target = codegen::Target::parse(cpu);
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module = codegen::make_module(context, target, "test");
  codegen::emit_kernel(*module, program, target,
                       std::get<ir::KernelStep>(program.main.steps.back().node).kernel, "kernel");
  codegen::optimize(*module, target);
  return codegen::to_assembly(*module, target);
}

TEST(ByteProduct, ChoosesTheInstructionsOfTheTarget) {
  Tensor expected;
  Draft s = product({64, 64, 64, Zero::kConstant}, kSigns[0], expected);
  passes::choose_schedules(s.program, {});
  const std::string wide = assembly(s.program, "icelake-server"), narrow = assembly(s.program, "alderlake");
  EXPECT_NE(wide.find("vpdpbusd"), std::string::npos);
  EXPECT_NE(wide.find("%zmm"), std::string::npos);
  EXPECT_NE(narrow.find("vpdpbusd"), std::string::npos);
  for (const char* cpu : {"x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
    const std::string text = assembly(s.program, cpu);
    EXPECT_EQ(text.find("vpdpbusd"), std::string::npos) << cpu;
    EXPECT_EQ(text.find("pmaddubsw"), std::string::npos) << cpu;
    EXPECT_NE(text.find("pmaddwd"), std::string::npos) << cpu;
  }
  EXPECT_FALSE(assembly(s.program, "aarch64").empty());
}

// ---- Convolutions -----------------------------------------------------------------------------------------

struct Window {
  int64_t size, in, out, window;
  int64_t stride = 1, dilation = 1, pad = 0, groups = 1;
};

Draft convolution(const Window& w, Signs signs, Zero x_zero, Zero w_zero, Tensor& expected) {
  Draft s;
  ir::Program& p = s.program;
  const int64_t result = (w.size + 2 * w.pad - w.dilation * (w.window - 1) - 1) / w.stride + 1;
  const int64_t in = w.in / w.groups, out = w.out / w.groups;
  VarId v[7];
  for (VarId& id : v) id = p.fresh_var();
  const Expr g = ir::var(v[0]), oh = ir::var(v[1]), ow = ir::var(v[2]), oc = ir::var(v[3]),
             ic = ir::var(v[4]), kh = ir::var(v[5]), kw = ir::var(v[6]);
  const Expr channel = g * ir::integer(out) + oc;
  auto at = [&](const Expr& o, const Expr& tap) {
    return o * ir::integer(w.stride) + tap * ir::integer(w.dilation) - ir::integer(w.pad);
  };
  const Tensor x = random_bytes(signs.a, {1, w.in, w.size, w.size}, 5);
  const Tensor weights = random_bytes(signs.b, {w.out, in, w.window, w.window}, 6);
  ir::Contraction c;
  c.axes = {{v[0], w.groups, AxisRole::kBatch}, {v[1], result, AxisRole::kM},
            {v[2], result, AxisRole::kM},       {v[3], out, AxisRole::kN},
            {v[4], in, AxisRole::kK},           {v[5], w.window, AxisRole::kWindow},
            {v[6], w.window, AxisRole::kWindow}};
  c.a = {s.add(x, false), {ir::integer(0), g * ir::integer(in) + ic, at(oh, kh), at(ow, kw)}, w.pad > 0};
  c.b = {s.add(weights, true), {channel, ic, kh, kw}};
  const Draft::Point zx = s.point(x_zero, signs.a, {}, 1, 7),
                     zw = s.point(w_zero, signs.b, channel, w.out, 8);
  c.a.zero_point = zx.value;
  c.b.zero_point = zw.value;
  c.accumulator = p.fresh_var();
  c.accumulator_type = DType::kInt32;
  c.out = s.add(BufferKind::kOutput, DType::kInt32, {1, w.out, result, result});
  c.out_index = {ir::integer(0), channel, oh, ow};
  c.epilogue = ir::var(c.accumulator, DType::kInt32);
  p.main.steps.push_back({ir::KernelStep{ir::Kernel{"conv", "", c}}});

  expected = Tensor(DType::kInt32, {1, w.out, result, result});
  auto sum_at = [&](int64_t o, int64_t row, int64_t column) {
    int64_t sum = 0;
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t tap = 0; tap < w.window * w.window; ++tap) {
        const int64_t y = row * w.stride + tap / w.window * w.dilation - w.pad;
        const int64_t z = column * w.stride + tap % w.window * w.dilation - w.pad;
        if (y < 0 || z < 0 || y >= w.size || z >= w.size) continue;
        const int64_t from = ((o / out * in + i) * w.size + y) * w.size + z;
        const int64_t weight = weights.get_int((o * in + i) * w.window * w.window + tap);
        sum += (x.get_int(from) - zx.elements[0]) * (weight - zw.elements[static_cast<size_t>(o)]);
      }
    }
    return sum;
  };
  for (int64_t i = 0; i < expected.size(); ++i)
    expected.set_int(i, sum_at(i / (result * result), i / result % result, i % result));
  return s;
}

void check_convolution(const Window& w, Signs signs, Zero x_zero, Zero w_zero, ir::Algorithm algorithm) {
  Tensor expected;
  Draft draft = convolution(w, signs, x_zero, w_zero, expected);
  check(draft, expected, algorithm,
        fmt::format("conv {} {}->{} {}x{} stride {} dilation {} pad {} groups {} {} {} zeros {} {}", w.size,
                    w.in, w.out, w.window, w.window, w.stride, w.dilation, w.pad, w.groups, name(signs.a),
                    name(signs.b), static_cast<int>(x_zero), static_cast<int>(w_zero)));
}

struct ConvolutionCase {
  Window window;
  Zero x_zero, w_zero;
};

void check_convolutions(const std::vector<ConvolutionCase>& cases, ir::Algorithm algorithm) {
  for (size_t i = 0; i < cases.size(); ++i) {
    for (size_t j = i % 2; j < std::size(kSigns); j += 2)
      check_convolution(cases[i].window, kSigns[j], cases[i].x_zero, cases[i].w_zero, algorithm);
  }
}

TEST(ByteConvolution, PadsWithTheZeroPoint) {
  check_convolutions({{{7, 5, 19, 3, 1, 1, 1}, Zero::kConstant, Zero::kNone},
                      {{8, 16, 32, 3, 2, 1, 1}, Zero::kInput, Zero::kConstantVector},
                      {{9, 3, 8, 5, 2, 1, 2}, Zero::kConstant, Zero::kInputVector},
                      {{10, 4, 6, 3, 1, 2, 2}, Zero::kNone, Zero::kConstant},
                      {{6, 8, 12, 3, 1, 1, 1, 2}, Zero::kInput, Zero::kInput},
                      {{6, 8, 24, 1}, Zero::kConstant, Zero::kNone}},
                     ir::Algorithm::kGemm);
}

TEST(ByteConvolution, TakesTapsOfFewChannelsAsOneRun) {
  check_convolutions({{{12, 1, 16, 4, 1, 1, 1}, Zero::kConstant, Zero::kNone},
                      {{9, 3, 8, 3}, Zero::kInput, Zero::kConstant},
                      {{11, 2, 20, 3, 3, 1, 2}, Zero::kInput, Zero::kInputVector}},
                     ir::Algorithm::kGemm);
  Tensor expected;
  Draft draft = convolution({12, 3, 16, 3, 1, 1, 1}, kSigns[1], Zero::kConstant, Zero::kNone, expected);
  passes::choose_layouts(draft.program, {});
  passes::choose_schedules(draft.program, {});
  const ir::Contraction* c = scheduled_contraction(draft.program);
  const auto run = std::find_if(c->axes.begin(), c->axes.end(),
                                [](const ir::ContractionAxis& axis) { return axis.role == AxisRole::kK; });
  EXPECT_EQ(run->extent, ir::Dim(9));
  EXPECT_FALSE(c->a.padded);
}

TEST(ByteDepthwiseConvolution, IsExact) {
  check_convolutions({{{7, 12, 12, 3, 1, 1, 1, 12}, Zero::kConstant, Zero::kNone},
                      {{8, 24, 24, 3, 2, 1, 1, 24}, Zero::kInput, Zero::kConstantVector},
                      {{33, 17, 17, 5, 2, 1, 2, 17}, Zero::kConstant, Zero::kInputVector},
                      {{45, 16, 16, 3, 1, 4, 4, 16}, Zero::kInput, Zero::kInput}},
                     ir::Algorithm::kDepthwise);
}

}  // namespace
}  // namespace dlc
