// Gradient rules against central differences: every case of tests/numeric/gradients is differentiated,
// compiled, and run in double precision.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "codegen/compile.h"
#include "ir/clone.h"
#include "ir/gradient.h"
#include "ir/op.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "runtime/program.h"
#include "tests/numeric/gradient_case.h"

namespace dlc::test {
namespace {

constexpr double kStep = 1e-5;
constexpr double kTolerance = 1e-6;  // of |gradient| |direction|
constexpr int kDirections = 2;

uint64_t seed_of_run() {
  const char* text = std::getenv("DLC_TEST_SEED");
  return text == nullptr ? 20240229 : std::strtoull(text, nullptr, 10);
}

Tensor random_like(const std::vector<int64_t>& shape, DType type, std::mt19937_64& random) {
  Tensor result(type, shape);
  std::uniform_real_distribution<double> unit(-1, 1);
  for (int64_t i = 0; i < result.size(); ++i) result.set_double(i, unit(random));
  return result;
}

double dot(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.size(); ++i) sum += a.get_double(i) * b.get_double(i);
  return sum;
}

Tensor moved(const Tensor& x, const Tensor& direction, double step) {
  Tensor result(x.dtype(), x.shape());
  for (int64_t i = 0; i < x.size(); ++i) {
    result.set_double(i, x.get_double(i) + step * direction.get_double(i));
  }
  return result;
}

// A case made into a program: inputs are those of the graph and a cotangent an output; outputs are those of
// the graph, then the gradients of `wrt`.
class Joint {
 public:
  explicit Joint(const GradientCase& item) : item_(item) {
    graph_ = ir::parse_graph(item.text);
    for (ir::Value* input : graph_->inputs()) {
      inputs_.push_back(input);
      if (is_float(input->dtype()) && !item.constants.contains(input->name())) wrt_.push_back(input);
    }
    std::vector<ir::Cotangent> seeds;
    for (ir::Value* output : graph_->outputs()) {
      if (!is_float(output->dtype())) continue;
      seeds.push_back({output, graph_->add_input("d_" + output->name(), output->type())});
    }
    ir::GradientFaults faults;
    std::vector<ir::Value*> gradients = ir::pull_back(*graph_, seeds, wrt_, faults);
    for (const std::string& fault : faults) ADD_FAILURE() << fault;
    // Definitions may have taken the places of nodes.
    outputs_.clear();
    for (ir::Value* output : graph_->outputs()) {
      if (is_float(output->dtype())) outputs_.push_back(output);
    }
    set_outputs(gradients);
    ir::infer_types(*graph_);
    ir::verify(*graph_, ir::GraphStage::kImported);
    program_ = std::make_unique<runtime::Program>(codegen::compile(*graph_, {}));
    context_ = std::make_unique<runtime::Context>(*program_, runtime::ContextOptions{.threads = 1});
  }

  std::vector<Tensor> run(const std::vector<Tensor>& inputs, const std::vector<Tensor>& cotangents) {
    std::vector<Tensor> all = inputs;
    all.insert(all.end(), cotangents.begin(), cotangents.end());
    return context_->run(all);
  }

  const std::vector<ir::Value*>& inputs() const { return inputs_; }
  const std::vector<ir::TensorType>& outputs() const { return output_types_; }
  const std::vector<ir::Value*>& wrt() const { return wrt_; }
  size_t position(const ir::Value* input) const {
    return static_cast<size_t>(std::find(inputs_.begin(), inputs_.end(), input) - inputs_.begin());
  }
  // Where among the outputs the gradient is; nothing for a symbolic zero.
  std::optional<size_t> gradient_at(size_t i) const { return gradient_at_[i]; }

 private:
  void set_outputs(const std::vector<ir::Value*>& gradients) {
    std::vector<ir::Value*> all = outputs_;
    std::vector<std::string> names;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      names.push_back(fmt::format("y{}", i));
      output_types_.push_back(outputs_[i]->tensor_type());
    }
    for (size_t i = 0; i < gradients.size(); ++i) {
      bool is_zero = gradients[i] == nullptr;
      EXPECT_EQ(is_zero, item_.zeros.contains(wrt_[i]->name())) << "gradient of " << wrt_[i]->name();
      gradient_at_.push_back(is_zero ? std::nullopt : std::optional(all.size()));
      if (is_zero) continue;
      EXPECT_EQ(gradients[i]->dtype(), wrt_[i]->dtype());
      all.push_back(gradients[i]);
      names.push_back("grad_" + wrt_[i]->name());
    }
    graph_->set_outputs(all, names);
  }

  const GradientCase& item_;
  std::unique_ptr<ir::Graph> graph_;
  std::vector<ir::Value*> inputs_;
  std::vector<ir::Value*> outputs_;  // until the graph is compiled
  std::vector<ir::TensorType> output_types_;
  std::vector<ir::Value*> wrt_;
  std::vector<std::optional<size_t>> gradient_at_;
  std::unique_ptr<runtime::Program> program_;
  std::unique_ptr<runtime::Context> context_;
};

// sum over the outputs of cotangent * output
double loss(Joint& joint, const std::vector<Tensor>& inputs, const std::vector<Tensor>& cotangents) {
  std::vector<Tensor> results = joint.run(inputs, cotangents);
  double total = 0;
  for (size_t i = 0; i < cotangents.size(); ++i) total += dot(results[i], cotangents[i]);
  return total;
}

void check_case(const GradientCase& item, uint64_t seed) {
  Joint joint(item);
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < joint.inputs().size(); ++i) {
    inputs.push_back(draw_input(item, *joint.inputs()[i], seed + i));
  }
  std::mt19937_64 random(seed);
  std::vector<Tensor> cotangents;
  for (const ir::TensorType& output : joint.outputs()) {
    std::vector<int64_t> shape;
    for (const ir::Dim& dim : output.shape) {
      shape.push_back(dim.evaluate([&](const std::string& symbol) { return item.symbols.at(symbol); }));
    }
    cotangents.push_back(random_like(shape, output.dtype, random));
  }
  std::vector<Tensor> results = joint.run(inputs, cotangents);
  for (size_t i = 0; i < joint.wrt().size(); ++i) {
    const ir::Value* input = joint.wrt()[i];
    size_t position = joint.position(input);
    const Tensor x = inputs[position];
    for (int repeat = 0; repeat < kDirections; ++repeat) {
      Tensor direction = random_like(x.shape(), x.dtype(), random);
      double expected = 0;
      inputs[position] = moved(x, direction, kStep);
      expected = loss(joint, inputs, cotangents);
      inputs[position] = moved(x, direction, -kStep);
      expected = (expected - loss(joint, inputs, cotangents)) / (2 * kStep);
      inputs[position] = x;
      double found = 0;
      double scale = std::sqrt(dot(direction, direction));
      if (auto at = joint.gradient_at(i)) {
        const Tensor& gradient = results[*at];
        ASSERT_EQ(gradient.shape(), x.shape()) << "gradient of " << input->name();
        found = dot(gradient, direction);
        scale *= 1 + std::sqrt(dot(gradient, gradient));
      }
      // A comparison with NaN fails.
      EXPECT_TRUE(std::abs(found - expected) <= kTolerance * scale)
          << "gradient of " << input->name() << " along a random direction: expected " << expected
          << " by central differences, found " << found;
    }
  }
}

class Gradient : public testing::TestWithParam<GradientCase> {};

TEST_P(Gradient, AgreesWithCentralDifferences) {
  uint64_t seed = seed_of_run();
  SCOPED_TRACE(fmt::format("DLC_TEST_SEED={}", seed));
  try {
    check_case(GetParam(), seed);
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

std::string case_name(const testing::TestParamInfo<GradientCase>& info) {
  std::string name = info.param.file.substr(0, info.param.file.find('.')) + "_" + info.param.title;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return fmt::format("{}_{}", info.index, name);
}

INSTANTIATE_TEST_SUITE_P(Cases, Gradient, testing::ValuesIn(read_gradient_cases("tests/numeric/gradients")),
                         case_name);

}  // namespace
}  // namespace dlc::test
