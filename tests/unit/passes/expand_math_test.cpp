// The expansions against libm in double, in units in the last place.
#include "passes/expand_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "ir/kernel/interpret.h"
#include "ir/kernel/lower.h"

namespace dlc {
namespace {

using ir::Expr;
using ir::ExprOp;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Expansion = std::function<Expr(const Expr& x)>;

std::vector<float> evaluate(const Expansion& expansion, const std::vector<float>& x) {
  ir::Program p;
  ir::Buffer in, out;
  in.kind = ir::BufferKind::kInput;
  out.kind = ir::BufferKind::kOutput;
  in.dtype = out.dtype = DType::kFloat;
  in.shape = out.shape = {static_cast<int64_t>(x.size())};
  in.border_index = out.border_index = 0;
  const ir::BufferId a = p.add_buffer(in), b = p.add_buffer(out);
  const ir::VarId v = p.fresh_var();
  const Expr value = expansion(ir::load(a, DType::kFloat, {ir::var(v)}));
  ir::LoopNest nest{ir::nest({v}, in.shape, 1, {ir::store(b, {ir::var(v)}, value)})};
  p.main.steps.push_back({ir::KernelStep{ir::Kernel{"f", "", nest}}});
  const Tensor result =
      ir::interpret(p, {Tensor::of<float>(DType::kFloat, {static_cast<int64_t>(x.size())}, x)})[0];
  return {result.as<float>(), result.as<float>() + x.size()};
}

std::vector<float> evaluate(ExprOp op, const std::vector<float>& x) {
  return evaluate([&](const Expr& e) { return passes::expand_math(ir::unary(op, e)); }, x);
}

double ulp_of(double exact) {
  const float rounded = std::abs(static_cast<float>(exact));
  return std::max<double>(std::nextafter(rounded, kInfinity) - rounded, 1.4e-45);
}

double worst_error(const Expansion& expansion, double (*exact)(double), float low, float high) {
  std::vector<float> x;
  constexpr int kSamples = 20001;
  for (int i = 0; i < kSamples; ++i) x.push_back(low + (high - low) * static_cast<float>(i) / (kSamples - 1));
  const std::vector<float> y = evaluate(expansion, x);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double reference = exact(x[i]);
    worst = std::max(worst, std::abs(y[i] - reference) / ulp_of(reference));
  }
  return worst;
}

double worst_error(ExprOp op, double (*exact)(double), float low, float high) {
  return worst_error([&](const Expr& e) { return passes::expand_math(ir::unary(op, e)); }, exact, low, high);
}

TEST(ExpandMath, KeepsTheStatedErrorBounds) {
  EXPECT_LE(worst_error(ExprOp::kExp, std::exp, -103, 88.7f), 1.2);
  EXPECT_LE(worst_error(ExprOp::kExp2, std::exp2, -140, 127.9f), 1.2);
  EXPECT_LE(worst_error(ExprOp::kLog, std::log, 1e-6f, 20), 1.0);
  EXPECT_LE(worst_error(ExprOp::kLog, std::log, 1e-40f, 1e-36f), 1.0);
  EXPECT_LE(worst_error(ExprOp::kLog2, std::log2, 1e-3f, 1e9f), 2.0);
  EXPECT_LE(worst_error(ExprOp::kTanh, std::tanh, -10, 10), 1.5);
  EXPECT_LE(worst_error(ExprOp::kErf, std::erf, -5, 5), 1.1);
  EXPECT_LE(worst_error(ExprOp::kSinh, std::sinh, -89.4f, 89.4f), 3.0);
  EXPECT_LE(worst_error(ExprOp::kCosh, std::cosh, -89.4f, 89.4f), 3.0);
}

TEST(ExpandMath, HasAnExponentialOfWhatIsNotPositive) {
  EXPECT_LE(worst_error(passes::exp_of_nonpositive, std::exp, -87, 0), 1.2);
  const std::vector<float> y =
      evaluate(passes::exp_of_nonpositive, {0.0f, -0.0f, -87.5f, -1e30f, -kInfinity, std::nanf("1")});
  EXPECT_EQ(std::vector<float>(y.begin(), y.end() - 1), (std::vector<float>{1, 1, 0, 0, 0}));
  EXPECT_TRUE(std::isnan(y.back()));
}

TEST(ExpandMath, TreatsSpecialValuesAsLibmDoes) {
  const std::vector<float> x = {0.0f, -0.0f, kInfinity, -kInfinity, std::nanf(""), -1.0f, 200.0f, -200.0f};
  const std::pair<ExprOp, float (*)(float)> functions[] = {
      {ExprOp::kExp, std::exp},  {ExprOp::kLog, std::log},   {ExprOp::kTanh, std::tanh},
      {ExprOp::kErf, std::erf},  {ExprOp::kExp2, std::exp2}, {ExprOp::kSinh, std::sinh},
      {ExprOp::kCosh, std::cosh}};
  for (auto [op, exact] : functions) {
    const std::vector<float> y = evaluate(op, x);
    for (size_t i = 0; i < x.size(); ++i) {
      const float expected = exact(x[i]);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(y[i])) << static_cast<int>(op) << " of " << x[i];
      } else if (std::isinf(expected)) {
        EXPECT_EQ(y[i], expected) << static_cast<int>(op) << " of " << x[i];
      } else {
        EXPECT_NEAR(y[i], expected, 1e-6 * std::abs(expected)) << static_cast<int>(op) << " of " << x[i];
      }
    }
  }
}

}  // namespace
}  // namespace dlc
