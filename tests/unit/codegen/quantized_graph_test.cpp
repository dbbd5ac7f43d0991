// Quantised graphs as compiled code: integers against the floats that the graph says, and the kernels that
// run.
#include <gtest/gtest.h>

#include <random>

#include "codegen/compile.h"
#include "ir/builder.h"
#include "tests/unit/codegen/kernel_runner.h"

namespace dlc {
namespace {

using ir::Builder;
using ir::Value;

Tensor random_integers(DType type, std::vector<int64_t> shape, uint32_t seed) {
  Tensor tensor(type, std::move(shape));
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int> uniform(-90, 90);
  const int shift = type == DType::kUint8 ? 128 : 0;
  for (int64_t i = 0; i < tensor.size(); ++i) tensor.set_int(i, uniform(generator) + shift);
  return tensor;
}

// A product or convolution between QuantizeLinear and DequantizeLinear nodes, as quantisers write it.
struct QuantizedCase {
  std::string op;
  std::vector<int64_t> x, w;
  int64_t channel_axis;  // of the weights: one scale each; -1: one scale for all
  ir::Attributes attributes = {};
  DType x_type = DType::kUint8, w_type = DType::kInt8;
  std::string kernel = "int8 contraction";
};

constexpr double kStep = 0.25;  // of the result

std::unique_ptr<ir::Graph> graph_of(const QuantizedCase& c) {
  auto graph = std::make_unique<ir::Graph>("quantized");
  Builder b(*graph);
  ir::Shape shape;
  for (const int64_t extent : c.x) shape.push_back(extent);
  Value* x = graph->add_input("x", ir::Type(DType::kFloat, shape));
  Value* x_scale = b.scalar(DType::kFloat, 0.05);
  Value* x_zero = b.scalar(c.x_type, c.x_type == DType::kUint8 ? 131 : -7);
  x = b.op("QuantizeLinear", {x, x_scale, x_zero});
  x = b.op("DequantizeLinear", {x, x_scale, x_zero});
  const int64_t channels = c.channel_axis < 0 ? 1 : c.w[static_cast<size_t>(c.channel_axis)];
  Tensor scales(DType::kFloat, {channels});
  for (int64_t i = 0; i < channels; ++i) scales.set_double(i, 0.01 + 0.001 * static_cast<double>(i));
  Value* w = b.op("DequantizeLinear",
                  {b.constant(random_integers(c.w_type, c.w, 3)), b.constant(scales),
                   b.constant(random_integers(c.w_type, {channels}, 4))},
                  {{"axis", std::max<int64_t>(0, c.channel_axis)}});
  Value* y = b.op(c.op, {x, w}, c.attributes);
  Value* y_scale = b.scalar(DType::kFloat, kStep);
  Value* y_zero = b.scalar(DType::kUint8, 100);
  y = b.op("QuantizeLinear", {b.op("Relu", {y}), y_scale, y_zero});
  graph->set_outputs({b.op("DequantizeLinear", {y, y_scale, y_zero})}, {"y"});
  return graph;
}

class QuantizedGraph : public testing::TestWithParam<QuantizedCase> {};

TEST_P(QuantizedGraph, RunsOnIntegersWithinAStepOfFloats) {
  const QuantizedCase& c = GetParam();
  Tensor x = test::random_floats(c.x, 5);
  for (int64_t i = 0; i < x.size(); ++i) x.set_double(i, 5 * x.get_double(i));
  std::unique_ptr<ir::Graph> floats = graph_of(c);
  codegen::CompileOptions options;
  options.passes.disabled_passes = {"raise_integers"};
  runtime::Program reference = codegen::compile(*floats, options);
  const Tensor expected = runtime::Context(reference).run({x})[0];
  for (const char* cpu : {"x86-64-v3", "native"}) {
    std::unique_ptr<ir::Graph> graph = graph_of(c);
    codegen::CompiledModel model = codegen::compile_to_object(*graph, {.cpu = cpu});
    const bool chosen =
        std::any_of(model.report.choices.begin(), model.report.choices.end(),
                    [&](const codegen::KernelChoice& choice) { return choice.how.starts_with(c.kernel); });
    EXPECT_TRUE(chosen);
    runtime::Program program = codegen::load(std::move(model));
    const Tensor found = runtime::Context(program).run({x})[0];
    ASSERT_EQ(found.shape(), expected.shape());
    int64_t moved = 0;
    for (int64_t i = 0; i < expected.size(); ++i) {
      const double difference = std::abs(found.get_double(i) - expected.get_double(i));
      ASSERT_LE(difference, kStep) << cpu << ", element " << i;
      moved += difference > 0 ? 1 : 0;
    }
    // Only what lies between two steps may go either way.
    EXPECT_LE(moved, 1 + expected.size() / 200) << cpu;
  }
}

ir::Attributes window(int64_t pad, int64_t stride, int64_t group = 1) {
  return {
      {"pads", std::vector<int64_t>(4, pad)}, {"strides", std::vector<int64_t>(2, stride)}, {"group", group}};
}

INSTANTIATE_TEST_SUITE_P(
    All, QuantizedGraph,
    testing::Values(
        QuantizedCase{"Conv", {2, 17, 9, 8}, {21, 17, 3, 3}, 0, window(1, 1)},
        QuantizedCase{"Conv", {1, 3, 16, 12}, {8, 3, 3, 3}, 0, window(1, 2), DType::kInt8, DType::kInt8},
        QuantizedCase{"Conv", {1, 8, 6, 6}, {16, 8, 1, 1}, -1, window(0, 1), DType::kUint8, DType::kUint8},
        QuantizedCase{"Conv",
                      {1, 24, 10, 10},
                      {24, 1, 3, 3},
                      0,
                      window(1, 2, 24),
                      DType::kUint8,
                      DType::kInt8,
                      "int8 depthwise"},
        QuantizedCase{"MatMul", {3, 7, 30}, {30, 19}, 1, {}},
        QuantizedCase{"MatMul", {5, 64}, {64, 40}, -1, {}, DType::kInt8, DType::kUint8},
        QuantizedCase{"Gemm", {6, 33}, {17, 33}, 0, {{"transB", int64_t{1}}, {"alpha", 0.5}}}),
    [](const auto& info) { return info.param.op + std::to_string(info.index); });

}  // namespace
}  // namespace dlc
