// Generated contractions against the interpreter: odd sizes, tails, epilogues, padding, layouts, symbolic
// extents.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ir/kernel/interpret.h"
#include "ir/kernel/lower.h"
#include "passes/choose_layouts.h"
#include "passes/choose_schedules.h"
#include "tests/unit/codegen/kernel_runner.h"

namespace dlc {
namespace {

using ir::AxisRole;
using ir::Expr;
using ir::VarId;

ir::BufferId add(ir::Program& p, ir::BufferKind kind, ir::Shape shape, int border, Tensor constant = {}) {
  ir::Buffer buffer;
  buffer.kind = kind;
  buffer.dtype = DType::kFloat;
  buffer.shape = std::move(shape);
  buffer.border_index = border;
  buffer.constant = std::move(constant);
  return p.add_buffer(std::move(buffer));
}

void expect_equal(ir::Program program, const std::vector<Tensor>& inputs,
                  const std::map<std::string, int64_t>& symbols, const std::string& what,
                  double weight_growth = 10) {
  const std::vector<Tensor> expected = ir::interpret(program, inputs, {.double_accumulation = true});
  passes::choose_layouts(program, {});
  passes::Options options;
  options.weight_growth = weight_growth;
  passes::choose_schedules(program, options);
  const std::vector<codegen::Target> targets = test::executable_targets();
  for (const codegen::Target& target : targets) {
    for (test::Guard guard : {test::Guard::kEnd, test::Guard::kBegin}) {
      // Where a buffer begins matters least; one target is enough to see it.
      if (guard == test::Guard::kBegin && target.isa != targets.back().isa) continue;
      const std::vector<Tensor> actual = test::run_kernels(program, target, inputs, symbols, guard);
      ASSERT_EQ(actual.size(), expected.size());
      for (size_t i = 0; i < actual.size(); ++i) {
        EXPECT_LE(test::relative_difference(actual[i], expected[i]), 2e-6) << what << " on " << target.cpu;
      }
    }
  }
}

struct MatrixSizes {
  int64_t m, n, k;
};

// out = relu(A * B + bias) + residual, with B constant or an input, extents constant or symbolic.
void check_product(MatrixSizes size, bool constant_b, bool symbolic_m) {
  ir::Program p;
  const ir::Dim m = symbolic_m ? ir::Dim::symbol("m") : ir::Dim(size.m);
  const VarId vm = p.fresh_var(), vn = p.fresh_var(), vk = p.fresh_var(), sum = p.fresh_var();
  const Expr i = ir::var(vm), j = ir::var(vn), k = ir::var(vk);
  if (symbolic_m) p.symbols["m"] = {{}, true};
  std::vector<Tensor> inputs = {test::random_floats({size.m, size.k}, 1), test::random_floats({size.n}, 2),
                                test::random_floats({size.m, size.n}, 3)};
  const Tensor b = test::random_floats({size.k, size.n}, 4);
  ir::Contraction c;
  c.axes = {{vm, m, AxisRole::kM}, {vn, size.n, AxisRole::kN}, {vk, size.k, AxisRole::kK}};
  c.a = {add(p, ir::BufferKind::kInput, {m, size.k}, 0), {i, k}};
  const ir::BufferId bias = add(p, ir::BufferKind::kInput, {size.n}, 1);
  const ir::BufferId residual = add(p, ir::BufferKind::kInput, {m, size.n}, 2);
  if (constant_b) {
    c.b = {add(p, ir::BufferKind::kConstant, {size.k, size.n}, -1, b), {k, j}};
  } else {
    c.b = {add(p, ir::BufferKind::kInput, {size.k, size.n}, 3), {k, j}};
    inputs.push_back(b);
  }
  c.out = add(p, ir::BufferKind::kOutput, {m, size.n}, 0);
  c.out_index = {i, j};
  c.accumulator = sum;
  const Expr biased = ir::var(sum, DType::kFloat) + ir::load(bias, DType::kFloat, {j});
  c.epilogue = ir::max(biased, ir::real(0)) + ir::load(residual, DType::kFloat, {i, j});
  p.main.steps.push_back({ir::KernelStep{ir::Kernel{"product", "", c}}});
  expect_equal(
      p, inputs, {{"m", size.m}},
      fmt::format("{}x{}x{} constant_b={} symbolic={}", size.m, size.n, size.k, constant_b, symbolic_m));
}

TEST(MatrixProduct, HandlesTailsOfEveryAxis) {
  for (int64_t m : {1, 2, 5, 6, 7, 13}) {
    for (int64_t n : {3, 15, 16, 17, 33, 80}) check_product({m, n, 9}, true, false);
  }
  check_product({6, 16, 1}, true, false);
  check_product({31, 100, 257}, true, false);
}

TEST(MatrixProduct, TakesSymbolicRows) {
  for (int64_t m : {0, 1, 2, 3, 4, 5, 6, 7, 12, 31}) check_product({m, 33, 7}, true, true);
}

TEST(MatrixProduct, PacksAnInputAtRunTime) {
  for (int64_t m : {5, 6, 20}) check_product({m, 37, 11}, false, false);
  check_product({9, 32, 40}, false, true);
}

struct Window {
  int64_t size, in, out, window;
  int64_t stride = 1, dilation = 1, pad = 0, groups = 1;
  bool known_weights = true;  // when it is compiled
};

struct Case {
  ir::Program program;
  std::vector<Tensor> inputs;
};

// relu(conv(x)) over a square, with its extent known or symbolic.
Case convolution(const Window& w, bool symbolic = false) {
  ir::Program p;
  const ir::Dim size = symbolic ? ir::Dim::symbol("size") : ir::Dim(w.size);
  if (symbolic) p.symbols["size"] = {{}, true};
  const ir::Dim result =
      ir::floor_div(size + ir::Dim(2 * w.pad - w.dilation * (w.window - 1) - 1), ir::Dim(w.stride)) +
      ir::Dim(1);
  const int64_t in = w.in / w.groups, out = w.out / w.groups;
  VarId v[8];
  for (VarId& id : v) id = p.fresh_var();
  const Expr n = ir::var(v[0]), g = ir::var(v[1]), oh = ir::var(v[2]), ow = ir::var(v[3]), oc = ir::var(v[4]),
             ic = ir::var(v[5]), kh = ir::var(v[6]), kw = ir::var(v[7]);
  auto at = [&](const Expr& o, const Expr& tap) {
    return o * ir::integer(w.stride) + tap * ir::integer(w.dilation) - ir::integer(w.pad);
  };
  ir::Contraction c;
  c.axes = {{v[0], 2, AxisRole::kM},
            {v[1], w.groups, AxisRole::kBatch},
            {v[2], result, AxisRole::kM},
            {v[3], result, AxisRole::kM},
            {v[4], out, AxisRole::kN},
            {v[5], in, AxisRole::kK},
            {v[6], w.window, AxisRole::kWindow},
            {v[7], w.window, AxisRole::kWindow}};
  const ir::BufferId input = add(p, ir::BufferKind::kInput, {2, w.in, size, size}, 0);
  const ir::Shape weight_shape = {w.out, in, w.window, w.window};
  const Tensor weights = test::random_floats({w.out, in, w.window, w.window}, 5);
  c.a = {input, {n, g * ir::integer(in) + ic, at(oh, kh), at(ow, kw)}, w.pad > 0};
  const ir::BufferId b = w.known_weights ? add(p, ir::BufferKind::kConstant, weight_shape, -1, weights)
                                         : add(p, ir::BufferKind::kInput, weight_shape, 1);
  c.b = {b, {g * ir::integer(out) + oc, ic, kh, kw}};
  c.out = add(p, ir::BufferKind::kOutput, {2, w.out, result, result}, 0);
  c.out_index = {n, g * ir::integer(out) + oc, oh, ow};
  c.accumulator = p.fresh_var();
  c.epilogue = ir::max(ir::var(c.accumulator, DType::kFloat), ir::real(0));
  p.main.steps.push_back({ir::KernelStep{ir::Kernel{"conv", "", c}}});
  std::vector<Tensor> inputs = {test::random_floats({2, w.in, w.size, w.size}, 6)};
  if (!w.known_weights) inputs.push_back(weights);
  return {std::move(p), std::move(inputs)};
}

void check_convolution(const Window& w, bool symbolic = false, double weight_growth = 10) {
  const auto [program, inputs] = convolution(w, symbolic);
  expect_equal(program, inputs, {{"size", w.size}},
               fmt::format("conv {} {}->{} {}x{} stride {} dilation {} pad {} groups {} symbolic={}", w.size,
                           w.in, w.out, w.window, w.window, w.stride, w.dilation, w.pad, w.groups, symbolic),
               weight_growth);
}

TEST(Convolution, MatchesTheInterpreter) {
  for (const Window& window : std::vector<Window>{{7, 5, 19, 3, 1, 1, 1},
                                                  {8, 16, 32, 3, 2, 1, 1},
                                                  {9, 3, 8, 5, 2, 1, 2},
                                                  {6, 8, 24, 1},
                                                  {10, 4, 6, 3, 1, 2, 2},
                                                  {6, 8, 12, 3, 1, 1, 1, 2},
                                                  {5, 6, 1, 3, 1, 1, 1},
                                                  {9, 40, 1, 3, 1, 1, 1},
                                                  {7, 17, 2, 5, 2, 1, 2},
                                                  {21, 1, 20, 9, 2},
                                                  {25, 1, 1, 17, 1}}) {
    check_convolution(window);
  }
}

// Taps that follow each other in memory are one run along K with the few channels of an image.
TEST(Convolution, JoinsTapsOfFewChannels) {
  for (bool known_weights : {true, false}) {
    for (const Window& window : std::vector<Window>{{12, 2, 20, 5, 1, 1, 2, 1, known_weights},
                                                    {21, 3, 20, 7, 2, 1, 3, 1, known_weights},
                                                    {9, 3, 24, 3, 2, 1, 0, 1, known_weights},
                                                    {11, 4, 40, 2, 1, 1, 1, 1, known_weights}}) {
      auto [program, inputs] = convolution(window);
      passes::Options options;
      options.exact = true;  // no minimal filtering
      passes::choose_layouts(program, options);
      passes::choose_schedules(program, options);
      std::vector<ir::Dim> sums;
      ir::for_each_step(program.main, [&](const ir::Step& step) {
        const auto* c = std::get_if<ir::Contraction>(&std::get<ir::KernelStep>(step.node).kernel.body);
        for (const ir::ContractionAxis& axis : c ? c->axes : std::vector<ir::ContractionAxis>()) {
          if (axis.role == AxisRole::kK || axis.role == AxisRole::kWindow) sums.push_back(axis.extent);
        }
      });
      std::sort(sums.begin(), sums.end(),
                [](const ir::Dim& a, const ir::Dim& b) { return a.value() < b.value(); });
      EXPECT_EQ(sums, (std::vector<ir::Dim>{window.window, window.in * window.window}));
      check_convolution(window);
      check_convolution(window, true);
    }
  }
}

// Shares by which weights may grow.
constexpr double kUpToF2 = 0.8;
constexpr double kUpToF4 = 10;

TEST(WinogradConvolution, MatchesTheInterpreter) {
  for (const Window& window : std::vector<Window>{{14, 16, 32, 3, 1, 1, 1},
                                                  {13, 33, 24, 3, 1, 1, 0},
                                                  {1, 40, 48, 3, 1, 1, 1},
                                                  {18, 16, 80, 3, 1, 1, 2},
                                                  {13, 12, 12, 5, 1, 1, 1},
                                                  {7, 17, 40, 5, 1, 1, 2},
                                                  {11, 24, 24, 5, 1, 1, 0}}) {
    check_convolution(window, false, kUpToF4);
    check_convolution(window, true, kUpToF4);
    check_convolution(window, false, kUpToF2);
  }
}

// What choose_schedules decides for the only contraction of the program.
ir::ContractionSchedule schedule_of(const ir::Program& program) {
  ir::ContractionSchedule found;
  ir::for_each_step(program.main, [&](const ir::Step& step) {
    const ir::Kernel& kernel = std::get<ir::KernelStep>(step.node).kernel;
    if (auto* c = std::get_if<ir::Contraction>(&kernel.body)) found = c->schedule;
  });
  return found;
}

TEST(WinogradConvolution, TransformsWeightsThatOnlyTheRunKnows) {
  for (const Window& window : std::vector<Window>{{13, 16, 32, 3, 1, 1, 1, 1, false},
                                                  {14, 9, 24, 3, 1, 1, 0, 1, false},
                                                  {11, 17, 24, 5, 1, 1, 2, 1, false}}) {
    auto [program, inputs] = convolution(window);
    passes::choose_layouts(program, {});
    passes::choose_schedules(program, {});
    EXPECT_EQ(schedule_of(program).algorithm, ir::Algorithm::kWinograd);
    check_convolution(window);
    check_convolution(window, true);
  }
}

// A transform of the weights costs more than it saves where there are few places.
TEST(WinogradConvolution, LeavesWeightsThatOnlyTheRunKnowsForFewPlaces) {
  auto [program, inputs] = convolution({2, 64, 64, 3, 1, 1, 1, 1, false});
  passes::choose_layouts(program, {});
  passes::choose_schedules(program, {});
  EXPECT_EQ(schedule_of(program).algorithm, ir::Algorithm::kGemm);
}

// Largest error of a convolution relative to its largest output, against sums in double.
double convolution_error(int winograd_tile, int taps) {
  const auto [program, inputs] = convolution({12, 32, 16, taps, 1, 1, 1});
  const Tensor expected = ir::interpret(program, inputs, {.double_accumulation = true})[0];
  ir::Program scheduled = program;
  passes::Options options;
  options.exact = winograd_tile == 0;
  options.weight_growth = winograd_tile == 2 && taps == 3 ? kUpToF2 : kUpToF4;
  passes::choose_layouts(scheduled, options);
  passes::choose_schedules(scheduled, options);
  EXPECT_EQ(schedule_of(scheduled).winograd_tile, winograd_tile);
  const Tensor actual = test::run_kernels(scheduled, test::executable_targets().back(), inputs)[0];
  return test::relative_difference(actual, expected);
}

TEST(WinogradConvolution, IsAboutAsAccurateAsTheDirectSum) {
  for (int taps : {3, 5}) {
    const double direct = convolution_error(0, taps);
    EXPECT_GT(direct, 0);
    for (int tile : taps == 3 ? std::vector<int>{2, 4} : std::vector<int>{2}) {
      EXPECT_LE(convolution_error(tile, taps), 4 * direct) << "F(" << tile << ", " << taps << ")";
    }
  }
}

TEST(DepthwiseConvolution, MatchesTheInterpreter) {
  for (const Window& window : std::vector<Window>{{7, 12, 12, 3, 1, 1, 1, 12},
                                                  {8, 24, 24, 3, 2, 1, 1, 24},
                                                  {1, 16, 16, 3, 1, 1, 1, 16},
                                                  {2, 33, 33, 3, 2, 1, 1, 33},
                                                  {16, 32, 32, 5, 1, 1, 2, 32},
                                                  {33, 17, 17, 5, 2, 1, 2, 17},
                                                  {31, 5, 5, 7, 1, 1, 3, 5},
                                                  {9, 48, 48, 1, 1, 1, 0, 48},
                                                  {40, 8, 8, 3, 1, 1, 0, 8},
                                                  {45, 16, 16, 3, 1, 4, 4, 16},
                                                  {30, 16, 16, 5, 3, 2, 7, 16}}) {
    check_convolution(window);
    check_convolution(window, true);
  }
}

}  // namespace
}  // namespace dlc
