// Generated contractions of bfloat16 with sums in float against plain loops over the rounded operands: tails,
// padding, orders of the operands, instruction sets.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <llvm/IR/Module.h>

#include "codegen/emit_kernel.h"
#include "codegen/optimize.h"
#include "passes/choose_layouts.h"
#include "passes/choose_schedules.h"
#include "tests/unit/codegen/kernel_runner.h"

namespace dlc {
namespace {

using ir::AxisRole;
using ir::BufferKind;
using ir::Expr;
using ir::VarId;

Tensor rounded(const Tensor& floats) {
  Tensor result(DType::kBfloat16, floats.shape());
  for (int64_t i = 0; i < floats.size(); ++i) result.set_double(i, floats.get_double(i));
  return result;
}

struct Draft {
  ir::Program program;
  std::vector<Tensor> inputs;
  Tensor expected;

  ir::BufferId add(BufferKind kind, const Tensor& content, ir::Shape shape = {}) {
    ir::Buffer buffer;
    buffer.kind = kind;
    buffer.dtype = content.dtype();
    buffer.shape = std::move(shape);
    if (buffer.shape.empty()) buffer.shape.assign(content.shape().begin(), content.shape().end());
    if (kind == BufferKind::kOutput) buffer.border_index = 0;
    if (kind == BufferKind::kConstant) buffer.constant = content;
    if (kind == BufferKind::kInput) {
      buffer.border_index = static_cast<int>(inputs.size());
      inputs.push_back(content);
    }
    return program.add_buffer(std::move(buffer));
  }

  void finish(ir::Contraction& c, const Expr& factor) {
    c.accumulator = program.fresh_var();
    const Expr sum = ir::var(c.accumulator, DType::kFloat);
    c.epilogue = factor ? sum * factor : sum;
    program.main.steps.push_back({ir::KernelStep{ir::Kernel{"product", "", c}}});
  }
};

std::vector<codegen::Target> targets() {
  std::vector<codegen::Target> all = test::executable_targets();
  const codegen::Target native = codegen::Target::parse("native");
  if (native.has_bf16) all.push_back(native);
  return all;
}

// Copies that change the order of operands may stand around it.
const ir::Kernel& product_of(const ir::Program& program) {
  const ir::Kernel* found = nullptr;
  for (const ir::Step& step : program.main.steps) {
    const ir::Kernel& kernel = std::get<ir::KernelStep>(step.node).kernel;
    if (std::holds_alternative<ir::Contraction>(kernel.body)) found = &kernel;
  }
  return *found;
}

const ir::Contraction& scheduled(const ir::Program& program) {
  return std::get<ir::Contraction>(product_of(program).body);
}

void check(Draft& draft, const std::string& what, const std::map<std::string, int64_t>& symbols = {}) {
  ir::Program& program = draft.program;
  passes::choose_layouts(program, {});
  passes::choose_schedules(program, {});
  EXPECT_EQ(scheduled(program).schedule.algorithm, ir::Algorithm::kGemm) << what;
  EXPECT_EQ(scheduled(program).schedule.group, 2) << what;
  for (const codegen::Target& target : targets()) {
    for (test::Guard guard : {test::Guard::kEnd, test::Guard::kBegin}) {
      const Tensor found = test::run_kernels(program, target, draft.inputs, symbols, guard)[0];
      EXPECT_LE(test::relative_difference(found, draft.expected), 2e-6) << what << " on " << target.cpu;
    }
  }
}

// ---- Products ---------------------------------------------------------------------------------------------

struct Matrices {
  int64_t m, n, k;
  bool constant_b = true, symbolic = false, transposed_a = false, transposed_b = false;
};

Draft product(const Matrices& p) {
  Draft s;
  const VarId vm = s.program.fresh_var(), vn = s.program.fresh_var(), vk = s.program.fresh_var();
  const Expr i = ir::var(vm), j = ir::var(vn), k = ir::var(vk);
  const ir::Dim m = p.symbolic ? ir::Dim::symbol("m") : ir::Dim(p.m);
  const ir::Dim depth = p.symbolic ? ir::Dim::symbol("k") : ir::Dim(p.k);
  if (p.symbolic) s.program.symbols = {{"m", {{}, true}}, {"k", {{}, true}}};
  const Tensor a =
      rounded(test::random_floats(p.transposed_a ? std::vector{p.k, p.m} : std::vector{p.m, p.k}, 1));
  const Tensor b =
      rounded(test::random_floats(p.transposed_b ? std::vector{p.n, p.k} : std::vector{p.k, p.n}, 2));
  ir::Contraction c;
  c.axes = {{vm, m, AxisRole::kM}, {vn, p.n, AxisRole::kN}, {vk, depth, AxisRole::kK}};
  c.a = {s.add(BufferKind::kInput, a, p.transposed_a ? ir::Shape{depth, m} : ir::Shape{m, depth}),
         p.transposed_a ? std::vector{k, i} : std::vector{i, k}};
  c.b = {s.add(p.constant_b ? BufferKind::kConstant : BufferKind::kInput, b,
               p.transposed_b ? ir::Shape{p.n, depth} : ir::Shape{depth, p.n}),
         p.transposed_b ? std::vector{j, k} : std::vector{k, j}};
  s.expected = Tensor(DType::kFloat, {p.m, p.n});
  c.out = s.add(BufferKind::kOutput, s.expected, {m, p.n});
  c.out_index = {i, j};
  s.finish(c, ir::real(0.5));
  for (int64_t row = 0; row < p.m; ++row) {
    for (int64_t column = 0; column < p.n; ++column) {
      double sum = 0;
      for (int64_t at = 0; at < p.k; ++at) {
        sum += a.get_double(p.transposed_a ? at * p.m + row : row * p.k + at) *
               b.get_double(p.transposed_b ? column * p.k + at : at * p.n + column);
      }
      s.expected.mutable_as<float>()[row * p.n + column] = static_cast<float>(0.5 * sum);
    }
  }
  return s;
}

void check_product(const Matrices& p) {
  Draft draft = product(p);
  std::map<std::string, int64_t> symbols;
  if (p.symbolic) symbols = {{"m", p.m}, {"k", p.k}};
  check(draft,
        fmt::format("{}x{}x{} constant_b={} symbolic={} transposed {} {}", p.m, p.n, p.k, p.constant_b,
                    p.symbolic, p.transposed_a, p.transposed_b),
        symbols);
}

TEST(PairProduct, TakesAllTails) {
  for (auto [m, n, k] : std::vector<std::array<int64_t, 3>>{{1, 16, 64},
                                                            {3, 3, 1},
                                                            {8, 17, 3},
                                                            {9, 50, 7},
                                                            {17, 64, 130},
                                                            {5, 24, 6},
                                                            {24, 96, 33},
                                                            {40, 130, 71}}) {
    check_product({m, n, k});
    check_product({m + 8, n, k, false});
  }
}

TEST(PairProduct, TakesExtentsOfTheRun) {
  constexpr std::array<int64_t, 2> kExtents[] = {{1, 5}, {7, 8}, {12, 3}, {20, 30}};
  for (const auto& [m, k] : kExtents) {
    check_product({m, 19, k, false, true});
    check_product({m, 19, k, false, true, true, true});
  }
}

TEST(PairProduct, TakesTransposedOperands) {
  check_product({9, 18, 11, true, false, true, false});
  check_product({10, 35, 24, true, false, false, true});
  check_product({16, 35, 25, false, false, true, true});
}

std::string assembly(const ir::Program& program, const std::string& cpu) {
  const codegen::Target target = codegen::Target::parse(cpu);
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module = codegen::make_module(context, target, "test");
  codegen::emit_kernel(*module, program, target, product_of(program), "kernel");
  codegen::optimize(*module, target);
  return codegen::to_assembly(*module, target);
}

TEST(PairProduct, ChoosesTheInstructionsOfTheTarget) {
  Draft s = product({64, 64, 64});
  passes::choose_schedules(s.program, {});
  const std::string wide = assembly(s.program, "cooperlake");
  EXPECT_NE(wide.find("vdpbf16ps"), std::string::npos);
  EXPECT_NE(wide.find("%zmm"), std::string::npos);
  for (const char* cpu : {"x86-64-v2", "x86-64-v3", "x86-64-v4"})
    EXPECT_EQ(assembly(s.program, cpu).find("vdpbf16ps"), std::string::npos) << cpu;
  EXPECT_FALSE(assembly(s.program, "aarch64").empty());
}

// ---- Convolutions -----------------------------------------------------------------------------------------

struct Window {
  int64_t size, in, out, window, stride, dilation, pad;
};

Draft convolution(const Window& w) {
  Draft s;
  ir::Program& p = s.program;
  const int64_t result = (w.size + 2 * w.pad - w.dilation * (w.window - 1) - 1) / w.stride + 1;
  VarId v[6];
  for (VarId& id : v) id = p.fresh_var();
  const Expr oh = ir::var(v[0]), ow = ir::var(v[1]), oc = ir::var(v[2]), ic = ir::var(v[3]),
             kh = ir::var(v[4]), kw = ir::var(v[5]);
  auto at = [&](const Expr& o, const Expr& tap) {
    return o * ir::integer(w.stride) + tap * ir::integer(w.dilation) - ir::integer(w.pad);
  };
  const Tensor x = rounded(test::random_floats({1, w.in, w.size, w.size}, 5));
  const Tensor weights = rounded(test::random_floats({w.out, w.in, w.window, w.window}, 6));
  ir::Contraction c;
  c.axes = {{v[0], result, AxisRole::kM},        {v[1], result, AxisRole::kM},
            {v[2], w.out, AxisRole::kN},         {v[3], w.in, AxisRole::kK},
            {v[4], w.window, AxisRole::kWindow}, {v[5], w.window, AxisRole::kWindow}};
  c.a = {s.add(BufferKind::kInput, x), {ir::integer(0), ic, at(oh, kh), at(ow, kw)}, w.pad > 0};
  c.b = {s.add(BufferKind::kConstant, weights), {oc, ic, kh, kw}};
  s.expected = Tensor(DType::kFloat, {1, w.out, result, result});
  c.out = s.add(BufferKind::kOutput, s.expected);
  c.out_index = {ir::integer(0), oc, oh, ow};
  s.finish(c, {});
  auto sum_at = [&](int64_t o, int64_t row, int64_t column) {
    double sum = 0;
    for (int64_t i = 0; i < w.in; ++i) {
      for (int64_t tap = 0; tap < w.window * w.window; ++tap) {
        const int64_t y = row * w.stride + tap / w.window * w.dilation - w.pad;
        const int64_t z = column * w.stride + tap % w.window * w.dilation - w.pad;
        if (y < 0 || z < 0 || y >= w.size || z >= w.size) continue;
        sum += x.get_double((i * w.size + y) * w.size + z) *
               weights.get_double((o * w.in + i) * w.window * w.window + tap);
      }
    }
    return sum;
  };
  for (int64_t i = 0; i < s.expected.size(); ++i)
    s.expected.set_double(i, sum_at(i / (result * result), i / result % result, i % result));
  return s;
}

TEST(PairConvolution, PadsWithZeros) {
  for (const Window& w :
       {Window{7, 5, 19, 3, 1, 1, 1}, Window{8, 16, 32, 3, 2, 1, 1}, Window{9, 3, 8, 5, 2, 1, 2},
        Window{10, 4, 6, 3, 1, 2, 2}, Window{6, 8, 24, 1, 1, 1, 0}}) {
    Draft draft = convolution(w);
    check(draft, fmt::format("conv {} {}->{} {} stride {} dilation {} pad {}", w.size, w.in, w.out, w.window,
                             w.stride, w.dilation, w.pad));
  }
}

}  // namespace
}  // namespace dlc
