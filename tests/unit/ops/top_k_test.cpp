// TopK at many lengths, against a stable sort.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "codegen/compile.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

runtime::Program compile(const std::string& element, bool largest) {
  const std::string text =
      "<ir_version: 9, opset_import: [\"\" : 20]>\ng (" + element + "[O,L,I] x, int64[1] k) => (" + element +
      "[a,b,c] values, int64[a,b,c] places) { values, places = TopK<axis = 1, largest = " +
      (largest ? "1" : "0") + ">(x, k) }";
  auto graph = graph_from_text(text);
  return codegen::compile(*graph, {});
}

// NaN is greater than every number.
bool is_greater(double a, double b) { return std::isnan(a) ? !std::isnan(b) : a > b; }

void check(runtime::Context& context, const Tensor& x, int64_t k, bool largest) {
  const int64_t outer = x.shape()[0], extent = x.shape()[1], inner = x.shape()[2];
  SCOPED_TRACE(
      fmt::format("{} of {} in {} x {} rows, {}", k, extent, outer, inner, largest ? "largest" : "smallest"));
  const std::vector<Tensor> found =
      context.run({x, Tensor::of<int64_t>(DType::kInt64, {1}, std::vector<int64_t>{k})});
  ASSERT_EQ(found[0].shape(), (std::vector<int64_t>{outer, k, inner}));
  for (int64_t row = 0; row < outer * inner; ++row) {
    auto at = [&](int64_t i, int64_t length) { return (row / inner * length + i) * inner + row % inner; };
    auto value = [&](int64_t i) { return x.get_double(at(i, extent)); };
    std::vector<int64_t> order(static_cast<size_t>(extent));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return largest ? is_greater(value(a), value(b)) : is_greater(value(b), value(a));
    });
    for (int64_t i = 0; i < k; ++i) {
      ASSERT_EQ(found[1].get_int(at(i, k)), order[static_cast<size_t>(i)])
          << "place " << i << " of row " << row;
      const double expected = value(order[static_cast<size_t>(i)]), got = found[0].get_double(at(i, k));
      ASSERT_TRUE(got == expected || (std::isnan(got) && std::isnan(expected))) << got << ", " << expected;
    }
  }
}

// `distinct`: how many different values there are.
Tensor random_tensor(DType type, std::vector<int64_t> shape, int distinct, std::mt19937& random) {
  Tensor x(type, std::move(shape));
  std::uniform_int_distribution<int> uniform(-distinct / 2, distinct / 2);
  for (int64_t i = 0; i < x.size(); ++i) x.set_double(i, uniform(random));
  return x;
}

void check_lengths(const std::string& element, DType type, int distinct) {
  const unsigned seed = 11;
  std::mt19937 random(seed);
  for (const bool largest : {true, false}) {
    runtime::Program program = compile(element, largest);
    runtime::Context context(program, {.threads = 2});
    for (const int64_t extent : {1, 2, 15, 16, 17, 100, 513, 1025, 4096, 5003, 20000}) {
      for (const int64_t k : {int64_t{0}, int64_t{1}, extent / 100, extent / 2, extent}) {
        check(context, random_tensor(type, {2, extent, 1}, distinct, random), k, largest);
        if (extent < 5000) check(context, random_tensor(type, {2, extent, 3}, distinct, random), k, largest);
      }
    }
  }
}

TEST(TopK, FindsTheBestOfFloats) { check_lengths("float", DType::kFloat, 1000000); }
TEST(TopK, KeepsTheOrderOfEqualElements) {
  check_lengths("float", DType::kFloat, 3);
  check_lengths("int64", DType::kInt64, 3);
}
TEST(TopK, FindsTheBestOfOtherTypes) {
  check_lengths("double", DType::kDouble, 1000000);
  check_lengths("float16", DType::kFloat16, 2000);
  check_lengths("int64", DType::kInt64, 1000000);
  check_lengths("int8", DType::kInt8, 250);
}

// Nearly all of the best lie where a sample does not look.
TEST(TopK, FindsTheBestWhereverTheyAre) {
  runtime::Program program = compile("float", true);
  runtime::Context context(program, {.threads = 1});
  Tensor x(DType::kFloat, {1, 10240, 1});
  for (int64_t i = 0; i < x.size(); ++i)
    x.set_double(i, i % 10 == 0 ? 1e6 + static_cast<double>(i) : -static_cast<double>(i));
  for (const int64_t k : {10, 1000, 2000}) check(context, x, k, true);
  for (int64_t i = 0; i < x.size(); ++i) x.set_double(i, 7);
  check(context, x, 50, true);
}

TEST(TopK, OrdersNanInfinityAndZeros) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const bool largest : {true, false}) {
    runtime::Program program = compile("float", largest);
    runtime::Context context(program, {.threads = 1});
    Tensor x(DType::kFloat, {1, 6000, 1});
    const float values[] = {0.0F, -0.0F, nan, inf, -inf, 1.0F, -1.0F};
    for (int64_t i = 0; i < x.size(); ++i) x.mutable_as<float>()[i] = values[i * 31 % 7];
    for (const int64_t k : {1, 40, 3000}) check(context, x, k, largest);
  }
}

}  // namespace
}  // namespace dlc::test
