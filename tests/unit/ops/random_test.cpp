// Random operators: whether what they draw has the distribution that they name, and what a seed fixes.
//
// Every model has a seed, so that a test gives the same numbers each time. A distribution is tested by the
// largest distance of the drawn and the exact cumulative function (Kolmogorov and Smirnov), or by the sum of
// squared deviations of counts (chi-squared); the limits are those that one in 1,000 good generators exceeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "codegen/compile.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

constexpr int kDrawn = 100000;

std::vector<Tensor> run(const runtime::Program& program, const std::vector<Tensor>& inputs = {}) {
  return runtime::Context(program, {.threads = 2}).run(inputs);
}

runtime::Program compile(const std::string& model) { return codegen::compile(*graph_from_text(model), {}); }

std::vector<double> numbers_of(const Tensor& tensor) {
  std::vector<double> result;
  for (int64_t i = 0; i < tensor.size(); ++i) result.push_back(tensor.get_double(i));
  return result;
}

std::vector<double> draw(const std::string& model, const std::vector<Tensor>& inputs = {}) {
  return numbers_of(run(compile(model), inputs)[0]);
}

// sqrt(n) times the distance of the cumulative functions.
double distance(std::vector<double> drawn, const std::function<double(double)>& cumulative) {
  std::sort(drawn.begin(), drawn.end());
  const auto n = static_cast<double>(drawn.size());
  double largest = 0;
  for (size_t i = 0; i < drawn.size(); ++i) {
    const double exact = cumulative(drawn[i]);
    largest = std::max({largest, exact - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - exact});
  }
  return largest * std::sqrt(n);
}
constexpr double kDistance = 1.95;

double normal(double x, double mean, double scale) { return std::erfc((mean - x) / scale / M_SQRT2) / 2; }
double uniform(double x, double low, double high) { return std::clamp((x - low) / (high - low), 0.0, 1.0); }

// Neighbours are independent: the correlation of each number with the next is of the order of 1 / sqrt(n).
double correlation(const std::vector<double>& x, size_t lag) {
  double mean = 0, square = 0, product = 0;
  for (double value : x) mean += value / static_cast<double>(x.size());
  for (double value : x) square += (value - mean) * (value - mean);
  for (size_t i = 0; i + lag < x.size(); ++i) product += (x[i] - mean) * (x[i + lag] - mean);
  return product / square * std::sqrt(static_cast<double>(x.size()));
}
constexpr double kCorrelation = 3.3;

TEST(Random, NormalNumbersHaveMeanAndScale) {
  for (const char* type : {"float", "double"}) {
    const std::vector<double> drawn = draw(
        fmt::format("g () => ({} [100, 1000] y) {{ y = RandomNormal <dtype = {}, mean = 3.0, scale = 0.5, "
                    "seed = 7.0, shape = [100, 1000]> () }}",
                    type, type == std::string("float") ? 1 : 11));
    EXPECT_LT(distance(drawn, [](double x) { return normal(x, 3, 0.5); }), kDistance) << type;
    for (size_t lag : {1, 2, 1000}) EXPECT_LT(std::abs(correlation(drawn, lag)), kCorrelation) << type;
  }
}

TEST(Random, NormalNumbersHaveTheShapeOfAnInput) {
  const runtime::Program program = compile(
      "g (float16 [n, m] x) => (float [n, m] y) { y = RandomNormalLike <dtype = 1, seed = 2.0> (x) }");
  const Tensor drawn = run(program, {Tensor(DType::kFloat16, {50, 2000})})[0];
  EXPECT_EQ(drawn.shape(), (std::vector<int64_t>{50, 2000}));
  EXPECT_LT(distance(numbers_of(drawn), [](double x) { return normal(x, 0, 1); }), kDistance);
}

TEST(Random, UniformNumbersFillTheirRange) {
  const std::vector<double> drawn = draw(
      "g () => (float [100000] y) { y = RandomUniform <low = -2.0, high = 6.0, seed = 5.0, "
      "shape = [100000]> () }");
  EXPECT_GE(*std::min_element(drawn.begin(), drawn.end()), -2);
  EXPECT_LT(*std::max_element(drawn.begin(), drawn.end()), 6);
  EXPECT_LT(distance(drawn, [](double x) { return uniform(x, -2, 6); }), kDistance);
  for (size_t lag : {1, 2, 100}) EXPECT_LT(std::abs(correlation(drawn, lag)), kCorrelation);
}

TEST(Random, UniformNumbersHaveTheTypeOfAnInput) {
  const runtime::Program program =
      compile("g (double [n] x) => (double [n] y) { y = RandomUniformLike <seed = 9.0> (x) }");
  const Tensor drawn = run(program, {Tensor(DType::kDouble, {kDrawn})})[0];
  EXPECT_EQ(drawn.dtype(), DType::kDouble);
  EXPECT_LT(distance(numbers_of(drawn), [](double x) { return uniform(x, 0, 1); }), kDistance);
}

// Four probabilities, each of a quarter of the elements.
TEST(Random, BernoulliDrawsOnesWithTheProbabilityOfEachElement) {
  const std::vector<double> probabilities = {0, 0.1, 0.75, 1};
  Tensor x(DType::kFloat, {kDrawn / 4, 4});
  for (int64_t i = 0; i < x.size(); ++i) x.set_double(i, probabilities[static_cast<size_t>(i % 4)]);
  const std::vector<double> drawn = draw(
      "<ir_version: 8, opset_import: [\"\" : 22]> g (float [n, 4] x) => (bool [n, 4] y) { "
      "y = Bernoulli <dtype = 9, seed = 11.0> (x) }",
      {x});
  for (size_t column = 0; column < 4; ++column) {
    double ones = 0;
    for (size_t i = column; i < drawn.size(); i += 4) ones += drawn[i];
    const double p = probabilities[column];
    const double n = kDrawn / 4.0;
    EXPECT_LE(std::abs(ones - n * p), 3.3 * std::sqrt(n * p * (1 - p))) << "probability " << p;
  }
}

// Logits need not be those of probabilities that sum to one, and may be -infinity.
TEST(Random, MultinomialDrawsClassesWithTheirProbabilities) {
  const std::vector<std::vector<double>> weights = {{1, 2, 3, 4, 0}, {0, 10, 0, 5, 5}};
  Tensor x(DType::kFloat, {2, 5});
  for (int64_t i = 0; i < 10; ++i)
    x.set_double(i, std::log(weights[static_cast<size_t>(i / 5)][static_cast<size_t>(i % 5)]));
  const std::vector<double> drawn = draw(
      "g (float [2, 5] x) => (int64 [2, 100000] y) { "
      "y = Multinomial <dtype = 7, sample_size = 100000, seed = 3.0> (x) }",
      {x});
  for (size_t row = 0; row < 2; ++row) {
    std::vector<double> counts(5);
    for (size_t i = 0; i < kDrawn; ++i) ++counts.at(static_cast<size_t>(drawn[row * kDrawn + i]));
    double total = 0, deviation = 0;
    for (double weight : weights[row]) total += weight;
    for (size_t k = 0; k < 5; ++k) {
      const double expected = weights[row][k] / total * kDrawn;
      if (expected == 0) {
        EXPECT_EQ(counts[k], 0);
      } else {
        deviation += (counts[k] - expected) * (counts[k] - expected) / expected;
      }
    }
    EXPECT_LT(deviation, 18.5) << "row " << row;  // up to four degrees of freedom
  }
}

TEST(Random, SeedsFixTheNumbersOfEveryRun) {
  const auto model = [](const char* seed) {
    return compile(fmt::format("g () => (float [64] y) {{ y = RandomUniform <shape = [64]{}> () }}", seed));
  };
  const runtime::Program seeded = model(", seed = 1.0"), other = model(", seed = 2.0"), unseeded = model("");
  runtime::Context a(seeded, {.threads = 1}), b(other, {.threads = 1}), c(unseeded, {.threads = 1});
  const std::vector<double> first = numbers_of(a.run({})[0]);
  EXPECT_EQ(first, numbers_of(a.run({})[0]));
  EXPECT_EQ(first, numbers_of(run(seeded)[0]));
  EXPECT_NE(first, numbers_of(b.run({})[0]));
  EXPECT_NE(numbers_of(c.run({})[0]), numbers_of(c.run({})[0]));
}

}  // namespace
}  // namespace dlc::test
