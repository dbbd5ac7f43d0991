// Gradient nodes, whose derivatives are worked out by hand.
#include <gtest/gtest.h>

#include "codegen/compile.h"
#include "ir/op.h"
#include "runtime/program.h"
#include "tests/support/error_text.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

constexpr const char* kImports =
    "<ir_version: 10, opset_import: [\"\" : 21, \"ai.onnx.preview.training\" : 1]>\n";

Tensor vector_of(const std::vector<float>& values) {
  Tensor result(DType::kFloat, {static_cast<int64_t>(values.size())});
  for (size_t i = 0; i < values.size(); ++i) result.set_double(static_cast<int64_t>(i), values[i]);
  return result;
}

std::vector<std::vector<float>> run(const std::string& text, const std::vector<Tensor>& inputs) {
  const auto graph = graph_from_text(kImports + text);
  for (const auto& node : graph->nodes()) EXPECT_NE(node->op().name, "Gradient");
  const runtime::Program program = codegen::compile(*graph, {});
  std::vector<std::vector<float>> result;
  for (const Tensor& output : runtime::Context(program, {.threads = 1}).run(inputs))
    result.emplace_back(output.as<float>(), output.as<float>() + output.size());
  return result;
}

using Rows = std::vector<std::vector<float>>;

// y = w * x^2: dy/dx = 2 w x, and by a weight that is an initializer dy/dw = x^2.
TEST(ExpandGradients, DifferentiatesByInputsAndInitializers) {
  EXPECT_EQ(run(R"(g (float[2] x) => (float[2] dx, float[2] dw)
                    <float[2] w = {3, 5}> {
                    s = Mul(x, x)
                    y = Mul(s, w)
                    dx, dw = ai.onnx.preview.training.Gradient<xs = ["x", "w"], y = "y">(x, w)
                  })",
                {vector_of({2, -1})}),
            (Rows{{12, -10}, {4, 1}}));
}

// At values other than those of the graph: the nodes between stand for a function.
TEST(ExpandGradients, EvaluatesAtTheValuesGiven) {
  EXPECT_EQ(run(R"(g (float[2] x, float[2] a, float[2] b) => (float[2] y, float[2] d) {
                    s = Mul(x, x)
                    y = Mul(s, a)
                    d = ai.onnx.preview.training.Gradient<xs = ["x"], zs = ["a"], y = "y">(b, b)
                  })",
                {vector_of({2, -1}), vector_of({1, 1}), vector_of({3, 4})}),
            (Rows{{4, 1}, {18, 32}}));
}

// By a tensor in the middle: what it is made of does not count.
TEST(ExpandGradients, DifferentiatesByIntermediateTensors) {
  EXPECT_EQ(run(R"(g (float[2] x) => (float[2] d) {
                    r = Round(x)
                    h = Mul(r, r)
                    e = Exp(x)
                    t = Mul(h, x)
                    y = Add(t, e)
                    d = ai.onnx.preview.training.Gradient<xs = ["h"], zs = ["x"], y = "y">(h, x)
                  })",
                {vector_of({2, -1})}),
            (Rows{{2, -1}}));
}

// x^3 twice: 6 x.
TEST(ExpandGradients, DifferentiatesGradients) {
  EXPECT_EQ(run(R"(g (float[2] x) => (float[2] d, float[2] dd) {
                    s = Mul(x, x)
                    y = Mul(s, x)
                    d = ai.onnx.preview.training.Gradient<xs = ["x"], y = "y">(x)
                    dd = ai.onnx.preview.training.Gradient<xs = ["x"], y = "d">(x)
                  })",
                {vector_of({2, -1})}),
            (Rows{{12, 3}, {12, -6}}));
}

TEST(ExpandGradients, GivesZerosWhereNothingDepends) {
  EXPECT_EQ(run(R"(g (float[2] x, float[2] a) => (float[2] d, float[2] da) {
                    y = Mul(x, x)
                    d, da = ai.onnx.preview.training.Gradient<xs = ["x", "a"], y = "y">(x, a)
                  })",
                {vector_of({2, -1}), vector_of({1, 1})}),
            (Rows{{4, -2}, {0, 0}}));
}

// A step of gradient descent in the graph itself.
TEST(ExpandGradients, FeedsWhatFollows) {
  EXPECT_EQ(run(R"(g (float[2] x) => (float[2] next)
                    <float[2] w = {3, 5}, float rate = {0.5}, int64 t = {0}, float[2] v = {0, 0}> {
                    y = Mul(w, x)
                    dw = ai.onnx.preview.training.Gradient<xs = ["w"], zs = ["x"], y = "y">(w, x)
                    next, moved = ai.onnx.preview.training.Momentum<alpha = 0.9, beta = 1.0,
                        mode = "standard", norm_coefficient = 0.0>(rate, t, w, dw, v)
                  })",
                {vector_of({2, -1})}),
            (Rows{{2, 5.5}}));
}

TEST(ExpandGradients, NamesWhatIsWrong) {
  const auto error = [](const std::string& node) {
    return error_of_text(kImports + ("g (float[2] x) => (float[2] d) { y = Mul(x, x) " + node + " }"));
  };
  expect_contains(error("d = ai.onnx.preview.training.Gradient<xs = [\"z\"], y = \"y\">(x)"),
                  "xs: there is no tensor 'z' before the node");
  expect_contains(error("d = ai.onnx.preview.training.Gradient<xs = [\"x\"], y = \"q\">(x)"),
                  "y: there is no tensor 'q' before the node");
  expect_contains(error("d = ai.onnx.preview.training.Gradient<xs = [\"x\"], y = \"y\">(x, y)"),
                  "expected 1 inputs, one for each name of xs and zs, found 2");
  expect_contains(error("e = Erf(x) q = ArgMax<keepdims = 1>(e) d = ai.onnx.preview.training.Gradient<xs = "
                        "[\"x\"], y = \"q\">(x)"),
                  "Gradient");
}

}  // namespace
}  // namespace dlc::test
