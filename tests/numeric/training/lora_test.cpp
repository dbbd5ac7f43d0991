// Low-rank adapters: what they add, and that weights they are merged into do the same.
#include "passes/training/lora.h"

#include <gtest/gtest.h>

#include <cmath>

#include "codegen/compile.h"
#include "ir/op.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/training/parameters.h"
#include "runtime/error.h"
#include "runtime/training/random.h"
#include "tests/numeric/training/recording.h"

namespace dlc::test {
namespace {

using passes::Adapter;

Tensor floats(std::vector<int64_t> shape, const std::vector<float>& values) {
  return Tensor::of<float>(DType::kFloat, std::move(shape), values);
}

Tensor random_tensor(std::vector<int64_t> shape, uint64_t seed) {
  Tensor result(DType::kFloat, std::move(shape));
  training::Random random(seed);
  for (int64_t i = 0; i < result.size(); ++i) result.set_double(i, 2 * random.unit() - 1);
  return result;
}

struct LayerCase {
  const char* name;
  const char* node;  // of %x, %w and %b
  std::vector<int64_t> x, w;
  bool is_transposed;
};

void PrintTo(const LayerCase& item, std::ostream* stream) { *stream << item.name; }

class LoraLayer : public testing::TestWithParam<LayerCase> {};

std::unique_ptr<ir::Graph> graph_of(const LayerCase& layer, const Tensor& weight) {
  auto graph = ir::parse_graph(fmt::format(
      "graph g(%x: f32[{}]) {{\n  %w = const f32[{}] splat(1)\n  %b = const f32[4] {{1, 2, 3, 4}}\n  {}\n  "
      "return %y\n}}\n",
      fmt::join(layer.x, ", "), fmt::join(layer.w, ", "), layer.node));
  for (ir::Value* value : graph->constants()) {
    if (value->name() == "w") graph->replace_all_uses(value, graph->add_constant("weight", weight));
  }
  graph->erase_unused_values();
  return graph;
}

Tensor run(ir::Graph& graph, const Tensor& x) {
  return runtime::Context(codegen::compile(graph, {}), {.threads = 1}).run({x})[0];
}

double distance(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(a.get_double(i) - b.get_double(i)));
  }
  return largest;
}

TEST_P(LoraLayer, ComputesWhatTheMergedWeightDoes) {
  const passes::LoraOptions options{.rank = 2, .alpha = 5};
  const Tensor x = random_tensor(GetParam().x, 1);
  const Tensor weight = random_tensor(GetParam().w, 2);
  auto plain = graph_of(GetParam(), weight);
  auto adapted = ir::parse_graph(ir::to_text(*plain, {.max_elements = -1}));
  const std::vector<Adapter> adapters = passes::find_adaptable(*adapted, options);
  ASSERT_EQ(adapters.size(), 1);
  EXPECT_EQ(adapters[0].weight, "weight");
  EXPECT_EQ(adapters[0].is_transposed, GetParam().is_transposed);
  training::Random random(3);
  passes::add_adapters(*adapted, adapters, options, [&] { return 2 * random.unit() - 1; });
  ir::verify(*adapted, ir::GraphStage::kImported);
  auto untrained = ir::parse_graph(ir::to_text(*adapted, {.max_elements = -1}));
  const Tensor base = run(*plain, x);
  expect_near(run(*untrained, x), base, 1e-6, "without training");

  Tensor a, b;
  for (ir::Value* value : adapted->constants()) {
    if (value->name() == adapters[0].a()) a = value->constant();
    if (value->name() != adapters[0].b()) continue;
    b = random_tensor(value->constant().shape(), 4);
    adapted->replace_all_uses(value, adapted->add_constant("trained", b));
  }
  const Tensor found = run(*adapted, x);
  auto merged = graph_of(GetParam(), passes::merged(adapters[0], weight, a, b));
  expect_near(found, run(*merged, x), 1e-5, "merged");
  EXPECT_GT(distance(found, base), 0.1) << "the adapter changes nothing";
}

INSTANTIATE_TEST_SUITE_P(
    All, LoraLayer,
    testing::Values(
        LayerCase{"matmul", "%y = MatMul(%x, %w)", {5, 3}, {3, 4}, true},
        LayerCase{"square", "%y = MatMul(%x, %w)", {5, 4}, {4, 4}, true},
        LayerCase{"sequence", "%y = MatMul(%x, %w)", {2, 5, 3}, {3, 4}, true},
        LayerCase{"transposed", "%t = Transpose(%w)\n  %y = MatMul(%x, %t)", {5, 3}, {4, 3}, false},
        LayerCase{"gemm", "%y = Gemm(%x, %w, %b) {alpha = 0.5, beta = 2.0}", {5, 3}, {3, 4}, true},
        LayerCase{"gemm_transposed", "%y = Gemm(%x, %w, %b) {transA = 1, transB = 1}", {3, 5}, {4, 3}, false},
        LayerCase{"conv",
                  "%y = Conv(%x, %w, %b) {strides = [2, 1], pads = [1, 0, 1, 2], dilations = [1, 2]}",
                  {2, 3, 6, 7},
                  {4, 3, 3, 2},
                  false},
        LayerCase{"twice", "%h = MatMul(%x, %w)\n  %y = MatMul(%h, %w)", {5, 4}, {4, 4}, true}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Lora, MergesTheProductWithItsScale) {
  const Tensor weight = floats({2, 3}, {0, 1, 0, 0, 0, 1});
  const Tensor a = floats({1, 3}, {1, 2, 3});
  const Tensor b = floats({2, 1}, {10, 20});
  const Adapter straight{.weight = "w", .user = "", .is_transposed = false, .scale = 0.5};
  expect_near(passes::merged(straight, weight, a, b), floats({2, 3}, {5, 11, 15, 10, 20, 31}), 0, "straight");
  const Tensor turned = floats({3, 2}, {0, 0, 1, 0, 0, 1});
  const Adapter transposed{.weight = "w", .user = "", .is_transposed = true, .scale = 0.5};
  expect_near(passes::merged(transposed, turned, a, b), floats({3, 2}, {5, 10, 11, 20, 15, 31}), 0, "turned");
  EXPECT_THROW(passes::merged(straight, turned, a, b), Error);
}

// Weights that something else uses, too, cannot be merged into.
TEST(Lora, LeavesOtherWeightsAlone) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[1, 4, 6, 6], %i: i64[2], %z: f32[2, 3]) {
  %depthwise = const f32[4, 1, 3, 3] splat(1)
  %table = const f32[5, 3] splat(1)
  %both = const f32[3, 3] splat(1)
  %left = const f32[2, 2] splat(1)
  %given = const f32[3, 3] splat(1)
  %bias = const f32[3] splat(1)
  %c = Conv(%x, %depthwise) {group = 4}
  %e = Gather(%table, %i)
  %t = Transpose(%table)
  %l = MatMul(%e, %t)
  %m = MatMul(%z, %both)
  %n = Gemm(%m, %both, %bias) {transB = 1}
  %o = MatMul(%left, %n)
  %p = MatMul(%o, %given)
  return %c, %l, %p, %given
}
)");
  EXPECT_TRUE(passes::find_adaptable(*graph, {}).empty());
}

}  // namespace
}  // namespace dlc::test
