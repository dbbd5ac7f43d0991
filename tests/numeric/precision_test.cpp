// Compilation with products in bfloat16 against loops over rounded factors, and training with it.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "codegen/compile.h"
#include "codegen/compile_step.h"
#include "frontend/read_model.h"
#include "ir/op.h"
#include "ir/text.h"
#include "runtime/error.h"
#include "tests/numeric/training/recording.h"

namespace dlc::test {
namespace {

using passes::Precision;

constexpr double kRounding = 1.0 / 256;  // of a number to the eight bits of bfloat16, at most, relative

codegen::CompileOptions options_of(Precision precision) {
  codegen::CompileOptions options;
  options.passes.precision = precision;
  return options;
}

Tensor random_matrix(int64_t rows, int64_t columns, unsigned seed) {
  Tensor result(DType::kFloat, {rows, columns});
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < result.size(); ++i) result.mutable_as<float>()[i] = normal(random);
  return result;
}

Tensor rounded(const Tensor& floats) {
  Tensor result(DType::kBfloat16, floats.shape());
  for (int64_t i = 0; i < floats.size(); ++i) result.set_double(i, floats.get_double(i));
  return result;
}

// A product of an input and an input or a constant.
class Product {
 public:
  Product(int64_t m, int64_t k, int64_t n) : a_(random_matrix(m, k, 1)), b_(random_matrix(k, n, 2)) {}

  Tensor run(Precision precision) const {
    const std::string text = fmt::format(
        "graph g(%a: f32[{0}, {1}], %b: f32[{1}, {2}]) {{\n  %c = MatMul(%a, %b)\n  return %c\n}}\n",
        a_.shape()[0], a_.shape()[1], b_.shape()[1]);
    auto graph = ir::parse_graph(text);
    ir::infer_types(*graph);
    const runtime::Program program = codegen::compile(*graph, options_of(precision));
    return runtime::Context(program, {.threads = 1}).run({a_, b_})[0];
  }

  // In double precision, and the same of the factors' magnitudes.
  static std::pair<double, double> sum_at(const Tensor& a, const Tensor& b, int64_t row, int64_t column) {
    double sum = 0, magnitudes = 0;
    for (int64_t i = 0; i < a.shape()[1]; ++i) {
      const double product = a.get_double(row * a.shape()[1] + i) * b.get_double(i * b.shape()[1] + column);
      sum += product;
      magnitudes += std::abs(product);
    }
    return {sum, magnitudes};
  }

  const Tensor& a() const { return a_; }
  const Tensor& b() const { return b_; }

 private:
  Tensor a_, b_;
};

TEST(Precision, SumsProductsOfRoundedFactorsInFloat) {
  const Product product(33, 64, 50);
  const Tensor found = product.run(Precision::kBfloat16);
  const Tensor a = rounded(product.a()), b = rounded(product.b());
  double largest = 0;
  for (int64_t i = 0; i < found.size(); ++i) {
    const auto [expected, magnitudes] = Product::sum_at(a, b, i / 50, i % 50);
    EXPECT_NEAR(found.get_double(i), expected, 1e-6 * magnitudes) << i;
    const auto [exact, exact_magnitudes] = Product::sum_at(product.a(), product.b(), i / 50, i % 50);
    EXPECT_NEAR(found.get_double(i), exact, 2 * kRounding * exact_magnitudes) << i;
    largest = std::max(largest, std::abs(found.get_double(i) - exact) / exact_magnitudes);
  }
  EXPECT_GT(largest, 1e-4) << "nothing was rounded";
}

TEST(Precision, LeavesSmallProductsAlone) {
  const Product product(3, 8, 5);
  const Tensor found = product.run(Precision::kBfloat16), plain = product.run(Precision::kFloat32);
  for (int64_t i = 0; i < found.size(); ++i) EXPECT_EQ(found.get_double(i), plain.get_double(i)) << i;
}

TEST(Precision, NamesWhatThereIs) {
  EXPECT_EQ(passes::parse_precision("bf16"), Precision::kBfloat16);
  try {
    passes::parse_precision("bfloat16");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_NE(std::string(error.what()).find("did you mean 'bf16'"), std::string::npos) << error.what();
  }
}

// ---- Training ---------------------------------------------------------------------------------------------

training::Batch batch_of(const Recording& recording, int number) {
  const std::string suffix = std::to_string(number % 4);
  training::Batch batch;
  batch.fields = {recording.at("input." + suffix), recording.at("target." + suffix)};
  batch.count = batch.fields[0].shape()[0];
  batch.weights = Tensor(DType::kFloat, {batch.count});
  for (int64_t i = 0; i < batch.count; ++i) batch.weights.set_double(i, 1);
  return batch;
}

std::vector<double> losses(const Recording& recording, Precision precision, int threads) {
  const auto model = frontend::read_model(fixture("transformer.onnx"), {});
  const std::vector<passes::Parameter> parameters = passes::find_parameters(*model);
  std::map<std::string, Tensor> states;
  std::vector<std::string> trained;
  for (const passes::Parameter& parameter : parameters) {
    states[parameter.name] = parameter.value;
    if (!parameter.is_statistic) trained.push_back(parameter.name);
  }
  const passes::TrainingOptions options{.optimizer = {.kind = passes::OptimizerKind::kAdamW}};
  auto program = [&](passes::StepKind kind) {
    return codegen::compile_step(passes::build_step(*model, parameters, trained, options, kind),
                                 options_of(precision));
  };
  training::Stepper stepper({.step = program(passes::StepKind::kStep),
                             .accumulate = {},
                             .evaluate = program(passes::StepKind::kEvaluate)},
                            states, runtime::ContextOptions{.threads = threads});
  std::vector<double> result;
  for (int step = 0; step < 20; ++step) result.push_back(stepper.step(batch_of(recording, step), 3e-3).loss);
  return result;
}

// Parameters stay in single precision, so that steps smaller than what bfloat16 resolves add up.
TEST(Precision, LearnsWhatSinglePrecisionDoes) {
  const Recording recording("transformer");
  const std::vector<double> plain = losses(recording, Precision::kFloat32, 1);
  const std::vector<double> found = losses(recording, Precision::kBfloat16, 1);
  EXPECT_NE(found, plain) << "nothing was rounded";
  EXPECT_EQ(found, losses(recording, Precision::kBfloat16, 2));
  EXPECT_LT(found.back(), 0.9 * found.front());
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(found[i], plain[i], 0.03 * plain[i]) << "step " << i;
}

}  // namespace
}  // namespace dlc::test
