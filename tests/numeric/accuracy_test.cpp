// Element-wise results against the exact ones: the largest errors are those of ir/ops/error_bounds.cpp.
//
// float16 and bfloat16 take all their numbers, float32 and float64 some of every magnitude. What is exact is
// computed in long double, of 64 significant bits, and so are errors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include "codegen/compile.h"
#include "ir/op.h"
#include "ir/text.h"

namespace dlc::test {
namespace {

using Real = long double;

// What float, in which attributes are given, makes of a number.
constexpr Real as_float(double value) { return static_cast<float>(value); }

struct Range {
  double low;
  double high;
};

struct Function {
  const char* op;
  std::function<Real(Real x, Real y)> exact;
  Range x;
  const char* attributes = "";
  std::optional<Range> y = {};  // of a second input
  // In place of `exact`, of operators along rows.
  std::function<void(std::vector<Real>& row)> exact_row = {};
};

constexpr int64_t kRow = 32;

constexpr Real kSqrt2 = 1.41421356237309504880L;
constexpr Real kPi = 3.14159265358979323846L;

Real gelu(Real x) { return x / 2 * erfcl(-x / kSqrt2); }
Real sigmoid(Real x) { return 1 / (1 + expl(-x)); }
Real softplus(Real x) { return std::max<Real>(x, 0) + log1pl(expl(-std::fabs(x))); }
Real elu(Real x, Real alpha) { return x < 0 ? alpha * expm1l(x) : x; }

Real log_of_sum(const std::vector<Real>& row) {
  const Real most = *std::max_element(row.begin(), row.end());
  Real sum = 0;
  for (Real x : row) sum += expl(x - most);
  return most + logl(sum);
}
void softmax(std::vector<Real>& row) {
  const Real total = log_of_sum(row);
  for (Real& x : row) x = expl(x - total);
}
void log_softmax(std::vector<Real>& row) {
  const Real total = log_of_sum(row);
  for (Real& x : row) x -= total;
}

constexpr double kAll = 1e30;
constexpr Real kSeluAlpha = as_float(1.67326319217681884765625),
               kSeluGamma = as_float(1.05070102214813232421875);

const std::vector<Function>& functions() {
  static const std::vector<Function> result = {
      {"Abs", [](Real x, Real) { return std::fabs(x); }, {-kAll, kAll}},
      {"Neg", [](Real x, Real) { return -x; }, {-kAll, kAll}},
      {"Sqrt", [](Real x, Real) { return sqrtl(x); }, {0, kAll}},
      {"Reciprocal", [](Real x, Real) { return 1 / x; }, {-kAll, kAll}},
      {"Exp", [](Real x, Real) { return expl(x); }, {-87, 88}},
      {"Log", [](Real x, Real) { return logl(x); }, {1e-37, kAll}},
      {"Sin", [](Real x, Real) { return sinl(x); }, {-1e4, 1e4}},
      {"Cos", [](Real x, Real) { return cosl(x); }, {-1e4, 1e4}},
      {"Tan", [](Real x, Real) { return tanl(x); }, {-1e4, 1e4}},
      {"Asin", [](Real x, Real) { return asinl(x); }, {-1, 1}},
      {"Acos", [](Real x, Real) { return acosl(x); }, {-1, 1}},
      {"Atan", [](Real x, Real) { return atanl(x); }, {-kAll, kAll}},
      {"Sinh", [](Real x, Real) { return sinhl(x); }, {-88, 88}},
      {"Cosh", [](Real x, Real) { return coshl(x); }, {-88, 88}},
      {"Tanh", [](Real x, Real) { return tanhl(x); }, {-kAll, kAll}},
      {"Asinh", [](Real x, Real) { return asinhl(x); }, {-kAll, kAll}},
      {"Acosh", [](Real x, Real) { return acoshl(x); }, {1, kAll}},
      {"Atanh", [](Real x, Real) { return atanhl(x); }, {-1, 1}},
      {"Erf", [](Real x, Real) { return erfl(x); }, {-kAll, kAll}},
      {"Sigmoid", [](Real x, Real) { return sigmoid(x); }, {-87, kAll}},
      {"Softplus", [](Real x, Real) { return softplus(x); }, {-87, kAll}},
      {"Softsign", [](Real x, Real) { return x / (1 + std::fabs(x)); }, {-kAll, kAll}},
      {"Gelu", [](Real x, Real) { return gelu(x); }, {-kAll, kAll}},
      {"Mish", [](Real x, Real) { return x * tanhl(softplus(x)); }, {-80, kAll}},
      {"Swish", [](Real x, Real) { return x * sigmoid(x); }, {-80, kAll}},
      {"HardSwish", [](Real x, Real) { return x * std::clamp<Real>(x / 6 + 0.5L, 0, 1); }, {-kAll, kAll}},
      {"HardSigmoid",
       [](Real x, Real) { return std::clamp<Real>(as_float(0.2F) * x + 0.5L, 0, 1); },
       {-kAll, kAll}},
      {"Elu", [](Real x, Real) { return elu(x, 1); }, {-kAll, kAll}},
      {"Celu", [](Real x, Real) { return elu(x, 1); }, {-kAll, kAll}},
      {"Selu", [](Real x, Real) { return kSeluGamma * elu(x, kSeluAlpha); }, {-kAll, kAll}},
      {"Relu", [](Real x, Real) { return std::max<Real>(x, 0); }, {-kAll, kAll}},
      {"LeakyRelu", [](Real x, Real) { return x < 0 ? as_float(0.01F) * x : x; }, {-kAll, kAll}},
      {"Add", [](Real x, Real y) { return x + y; }, {-1e3, 1e3}, "", Range{-1e3, 1e3}},
      {"Sub", [](Real x, Real y) { return x - y; }, {-1e3, 1e3}, "", Range{-1e3, 1e3}},
      {"Mul", [](Real x, Real y) { return x * y; }, {-1e3, 1e3}, "", Range{-1e3, 1e3}},
      {"Div", [](Real x, Real y) { return x / y; }, {-1e3, 1e3}, "", Range{1e-3, 1e3}},
      {"Pow", [](Real x, Real y) { return powl(x, y); }, {1e-3, 1e3}, "", Range{-4, 4}},
      {"Mod", [](Real x, Real y) { return fmodl(x, y); }, {-1e3, 1e3}, " {fmod = 1}", Range{1, 1e3}},
      {"Softmax", {}, {-30, 30}, "", {}, softmax},
      {"LogSoftmax", {}, {-30, 30}, "", {}, log_softmax},
      {"PRelu", [](Real x, Real y) { return x < 0 ? x * y : x; }, {-1e3, 1e3}, "", Range{-1, 1}},
  };
  return result;
}

// ---- Numbers ----------------------------------------------------------------------------------------------

struct FloatFormat {
  DType type;
  const char* name;
  int digits;  // significant bits
  int least;   // exponent of the least normal number
  int most;    // numbers are below 2^most
  double ir::ErrorBounds::*bound;
};
constexpr FloatFormat kFormats[] = {
    {DType::kFloat, "f32", 24, -126, 128, &ir::ErrorBounds::f32},
    {DType::kDouble, "f64", 53, -1022, 1024, &ir::ErrorBounds::f64},
    {DType::kFloat16, "f16", 11, -14, 16, &ir::ErrorBounds::f16},
    {DType::kBfloat16, "bf16", 8, -126, 128, &ir::ErrorBounds::bf16},
};

// Of the last place of numbers as large as `value`.
Real unit_of(const FloatFormat& format, Real value) {
  int exponent = format.least;
  if (value != 0) exponent = std::max(std::ilogb(std::fabs(value)), format.least);
  return std::ldexp(static_cast<Real>(1), exponent - format.digits + 1);
}

bool is_half(DType type) { return type == DType::kFloat16 || type == DType::kBfloat16; }

// Of every magnitude, and evenly.
std::vector<double> samples(const Range& range) {
  std::vector<double> result;
  constexpr int kSteps = 20000;
  for (int i = 0; i <= kSteps; ++i) result.push_back(range.low + (range.high - range.low) * i / kSteps);
  for (double sign : {-1.0, 1.0}) {
    for (int i = 0; i < kSteps; ++i) {
      const double value = sign * std::exp2(-40 + 140.0 * i / kSteps) * (1 + i % 97 / 97.0);
      if (value >= range.low && value <= range.high) result.push_back(value);
      // Near 1, where logarithms and inverse functions are steep or vanish.
      const double near = sign * (1 + std::exp2(-40 + 40.0 * i / kSteps) * (i % 2 == 0 ? 1 : -1));
      if (near >= range.low && near <= range.high) result.push_back(near);
    }
  }
  return result;
}

Tensor numbers(const FloatFormat& format, const Range& range) {
  std::vector<double> kept;
  if (is_half(format.type)) {
    Tensor bits(format.type, {1});
    for (int i = 0; i < 1 << 16; ++i) {
      *bits.mutable_as<uint16_t>() = static_cast<uint16_t>(i);
      const double value = bits.get_double(0);
      if (value >= range.low && value <= range.high) kept.push_back(value);
    }
  } else {
    kept = samples(range);
  }
  Tensor result(format.type, {static_cast<int64_t>(kept.size())});
  for (size_t i = 0; i < kept.size(); ++i) result.set_double(static_cast<int64_t>(i), kept[i]);
  return result;
}

// As many numbers as `x` has, in an order that has nothing to do with it.
Tensor partners(const FloatFormat& format, const Range& range, int64_t count) {
  const std::vector<double> values = samples(range);
  Tensor result(format.type, {count});
  for (int64_t i = 0; i < count; ++i)
    result.set_double(i, values[static_cast<size_t>(i) * 7919 % values.size()]);
  return result;
}

// ---- Measuring --------------------------------------------------------------------------------------------

struct Worst {
  Real error = 0;
  double at = 0;
};

Tensor run(const Function& function, const FloatFormat& format, const std::vector<Tensor>& inputs) {
  const std::string row = function.exact_row ? fmt::format(", {}", kRow) : "";
  const std::string text =
      fmt::format("symbol n input\ngraph g(%x: {0}[n{5}]{1}) {{\n  %z = {2}(%x{3}){4}\n  return %z\n}}\n",
                  format.name, function.y ? fmt::format(", %y: {}[n]", format.name) : "", function.op,
                  function.y ? ", %y" : "", function.attributes, row);
  auto graph = ir::parse_graph(text);
  ir::infer_types(*graph);
  const runtime::Program program = codegen::compile(*graph, {});
  return runtime::Context(program, {.threads = 1}).run(inputs)[0];
}

// Rows of numbers in an order of their own.
Tensor rows(const Tensor& numbers) {
  const int64_t count = numbers.size() / kRow;
  Tensor result(numbers.dtype(), {count, kRow});
  for (int64_t i = 0; i < result.size(); ++i)
    result.set_double(i, numbers.get_double(i * 7919 % result.size()));
  return result;
}

std::vector<Real> exact_results(const Function& function, const std::vector<Tensor>& inputs) {
  std::vector<Real> result;
  const Tensor& x = inputs[0];
  for (int64_t i = 0; i < x.size(); ++i) {
    const Real given = x.get_double(i);
    result.push_back(function.exact ? function.exact(given, function.y ? inputs[1].get_double(i) : 0)
                                    : given);
  }
  if (!function.exact_row) return result;
  for (auto begin = result.begin(); begin != result.end(); begin += kRow) {
    std::vector<Real> row(begin, begin + kRow);
    function.exact_row(row);
    std::copy(row.begin(), row.end(), begin);
  }
  return result;
}

Worst measure(const Function& function, const FloatFormat& format, double unit_at) {
  std::vector<Tensor> inputs = {numbers(format, function.x)};
  if (function.exact_row) inputs[0] = rows(inputs[0]);
  if (function.y) inputs.push_back(partners(format, *function.y, inputs[0].size()));
  const Tensor found = run(function, format, inputs);
  const std::vector<Real> exact = exact_results(function, inputs);
  Worst worst;
  for (int64_t i = 0; i < found.size(); ++i) {
    const Real expected = exact[static_cast<size_t>(i)];
    const bool fits = std::fabs(expected) < std::ldexp(static_cast<Real>(1), format.most - 1);
    if (!fits) continue;  // NaN as well
    const Real unit = unit_of(format, std::max<Real>(std::fabs(expected), unit_at));
    Real error = std::fabs(found.get_double(i) - expected) / unit;
    if (std::isnan(error)) error = std::numeric_limits<Real>::infinity();
    if (error > worst.error) worst = {error, inputs[0].get_double(i)};
  }
  return worst;
}

class Accuracy : public testing::TestWithParam<size_t> {};

TEST_P(Accuracy, IsWithinTheStatedBounds) {
  const Function& function = functions()[GetParam()];
  const ir::OpDef& op = ir::OpRegistry::global().get("", function.op);
  ASSERT_TRUE(op.errors) << "no row in ir/ops/error_bounds.cpp";
  for (const FloatFormat& format : kFormats) {
    const Worst worst = measure(function, format, op.errors->unit_at);
    const double bound = (*op.errors).*format.bound;
    EXPECT_LE(worst.error, bound) << format.name << " at " << worst.at;
    EXPECT_GE(worst.error, bound / 2) << format.name << ": the bound is far from what is measured";
  }
}

TEST(ErrorBounds, AreAllMeasured) {
  for (const ir::OpDef* op : ir::OpRegistry::global().all()) {
    if (!op->errors) continue;
    const bool found = std::any_of(functions().begin(), functions().end(),
                                   [&](const Function& function) { return function.op == op->name; });
    EXPECT_TRUE(found) << op->name << " has a bound that no test measures";
  }
}

INSTANTIATE_TEST_SUITE_P(Operators, Accuracy, testing::Range(size_t{0}, functions().size()),
                         [](const auto& info) { return functions()[info.param].op; });

}  // namespace
}  // namespace dlc::test
