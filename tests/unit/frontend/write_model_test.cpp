#include "frontend/write_model.h"

#include <gtest/gtest.h>

#include <cmath>

#include "codegen/compile.h"
#include "frontend/write_tensor.h"
#include "runtime/data/files.h"
#include "runtime/error.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

onnx::ModelProto parsed(const std::string& bytes) {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(bytes));
  return model;
}

Tensor floats(const std::vector<int64_t>& shape, const std::vector<float>& values) {
  return Tensor::of<float>(DType::kFloat, shape, values);
}

const char* const kModel =
    R"(<ir_version: 9, opset_import: ["" : 17], producer_name: "someone", doc_string: "kept">
g (float[n, 2] x) => (float[n, 2] y)
<float[2, 2] w = {1, 2, 3, 4}, float[2] other = {5, 6}, int64[2] shape = {-1, 2}>
{
  m = MatMul(x, w)
  c = Constant<value = float[2] {7, 8}>()
  a = Add(m, c)
  b = Add(a, other)
  y = Reshape(b, shape)
})";

TEST(WithValues, ChangesTheNamedTensorsAndNothingElse) {
  const std::string before = model_bytes(kModel);
  const Tensor w = floats({2, 2}, {-1, -2, -3, -4});
  const Tensor c = floats({2}, {0.5F, 0.25F});
  const std::string after = frontend::with_values(before, {{"w", w}, {"c", c}});
  onnx::ModelProto model = parsed(after);
  EXPECT_EQ(model.producer_name(), "someone");
  // Put the old tensors back, and the message is the old one.
  onnx::ModelProto old = parsed(before);
  *model.mutable_graph()->mutable_initializer(0) = old.graph().initializer(0);
  *model.mutable_graph()->mutable_node(1) = old.graph().node(1);
  EXPECT_EQ(model.SerializeAsString(), old.SerializeAsString());

  const auto graph = frontend::parse_model(after);
  const runtime::Program program = codegen::compile(*graph, {});
  const Tensor y = runtime::Context(program, {.threads = 1}).run({floats({1, 2}, {1, 1})})[0];
  // [1 1] * [[-1 -2] [-3 -4]] + [0.5 0.25] + [5 6]
  EXPECT_EQ(y.get_double(0), 1.5);
  EXPECT_EQ(y.get_double(1), 0.25);
}

TEST(WithValues, RefusesTensorsThatDoNotFit) {
  const std::string model = model_bytes(kModel);
  auto error = [&](const std::string& name, const Tensor& value) {
    return message_of([&] { frontend::with_values(model, {{name, value}}); });
  };
  expect_contains(error("v", floats({2}, {1, 2})), "the model has no tensor 'v'");
  expect_contains(error("w", floats({4}, {1, 2, 3, 4})),
                  "tensor 'w' is f32[2, 2] in the model, the new one f32[4]");
  expect_contains(error("other", Tensor(DType::kDouble, {2})), "the new one f64[2]");
  EXPECT_EQ(frontend::tensor_names(model), (std::set<std::string>{"c", "other", "shape", "w"}));
}

TEST(PackModel, TakesExternalDataInside) {
  const TemporaryFolder folder;
  onnx::ModelProto model = model_from_text(kModel);
  auto& tensor = *model.mutable_graph()->mutable_initializer(0);
  const float values[] = {1, 2, 3, 4};
  data::write_file(folder / "weights",
                   std::string(8, 'x') + std::string(reinterpret_cast<const char*>(values), 16));
  tensor.clear_float_data();
  tensor.clear_raw_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  for (const auto& [key, value] :
       {std::pair("location", "weights"), std::pair("offset", "8"), std::pair("length", "16")}) {
    auto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
  data::write_file(folder / "m.onnx", model.SerializeAsString());
  const onnx::ModelProto packed = parsed(frontend::pack_model(folder / "m.onnx"));
  EXPECT_EQ(packed.graph().initializer(0).raw_data(), std::string(reinterpret_cast<const char*>(values), 16));
  EXPECT_EQ(packed.graph().initializer(0).external_data_size(), 0);
  EXPECT_EQ(packed.graph().initializer(0).data_location(), onnx::TensorProto::DEFAULT);
  data::write_file(folder / "weights", "short");
  expect_contains(message_of([&] { frontend::pack_model(folder / "m.onnx"); }), "tensor 'w'");
  expect_contains(message_of([&] { frontend::pack_model(folder / "no.onnx"); }), "no.onnx");
}

TEST(PackModel, SeparatesVectorsThatAreEqualByChance) {
  const TemporaryFolder folder;
  data::write_file(folder / "m.onnx", model_bytes(R"(
g (float[n, 2] x) => (float[n, 2] y) <float[2] one = {1, 1}, float[2, 2] tied = {1, 2, 3, 4}> {
  two = Identity(one)
  same = Identity(tied)
  a = Add(x, one)
  b = Add(a, two)
  c = MatMul(b, tied)
  y = MatMul(c, same)
})"));
  const std::string packed = frontend::pack_model(folder / "m.onnx");
  EXPECT_EQ(frontend::tensor_names(packed), (std::set<std::string>{"one", "two", "tied"}));
  EXPECT_EQ(parsed(packed).graph().node_size(), 5) << "matrices may be shared on purpose";
}

// ---- Heads ------------------------------------------------------------------------------------------------

// 0.5, -0.5, 0.5, ...
std::function<double()> alternating() {
  return [value = -0.5]() mutable { return value = -value; };
}

struct HeadCase {
  std::string name;
  std::string text;
  std::string weight;
  std::string bias;
  int64_t features;
};

void PrintTo(const HeadCase& item, std::ostream* stream) { *stream << item.name; }

class Heads : public testing::TestWithParam<HeadCase> {};

TEST_P(Heads, AreFoundAndReplaced) {
  const HeadCase& item = GetParam();
  const std::string model = model_bytes(item.text);
  const frontend::Head head = frontend::find_head(model, "");
  EXPECT_EQ(head.weight, item.weight);
  EXPECT_EQ(head.bias, item.bias);
  EXPECT_EQ(head.classes, 3);
  EXPECT_EQ(head.features, item.features);
  const std::string replaced = frontend::replace_head(model, "", 5, alternating());
  const frontend::Head found = frontend::find_head(replaced, "");
  EXPECT_EQ(found.classes, 5);
  EXPECT_EQ(found.features, item.features);
  const auto graph = frontend::parse_model(replaced);
  const ir::Shape& shape = graph->outputs()[0]->shape();
  ASSERT_GE(shape.size(), 2U);
  EXPECT_EQ(shape.size() == 3 ? shape[2] : shape[1], ir::Dim(5)) << to_string(graph->outputs()[0]->type());
  // Scaled by 1 / sqrt(features).
  const onnx::ModelProto proto = parsed(replaced);
  for (const onnx::TensorProto& tensor : proto.graph().initializer()) {
    if (tensor.name() != found.weight) continue;
    const auto* values = reinterpret_cast<const float*>(tensor.raw_data().data());
    EXPECT_FLOAT_EQ(values[0], static_cast<float>(0.5 / std::sqrt(static_cast<double>(item.features))));
    EXPECT_EQ(values[1], -values[0]);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Heads,
    testing::Values(
        HeadCase{
            "gemm",
            R"(g (float[3, 2] x) => (float[3, 3] y) <float[2, 3] w = {1, 2, 3, 4, 5, 6}, float[3] b = {1, 2, 3}> {
  h = Gemm(x, w, b)
  y = Softmax(h)
})",
            "w", "b", 2},
        HeadCase{
            "gemm_of_rows",
            R"(g (float[n, 2] x) => (float[n, 3] y) <float[3, 2] w = {1, 2, 3, 4, 5, 6}, float[3] b = {1, 2, 3}> {
  y = Gemm<transB = 1>(x, w, b)
})",
            "w", "b", 2},
        HeadCase{
            "matmul",
            R"(g (float[n, 7, 2] x) => (float[n, 7, 3] y) <float[2, 3] w = {1, 2, 3, 4, 5, 6}, float[3] b = {1, 2, 3}> {
  h = MatMul(x, w)
  y = Add(b, h)
})",
            "w", "b", 2},
        HeadCase{"matmul_without_bias",
                 R"(g (float[n, 2] x) => (float[n, 3] y) <float[2, 3] w = {1, 2, 3, 4, 5, 6}> {
  y = MatMul(x, w)
})",
                 "w", "", 2},
        HeadCase{"transposed", R"(g (float[n, 2] x) => (float[n, 3] y) <float[3, 2] w = {1, 2, 3, 4, 5, 6}> {
  t = Transpose<perm = [1, 0]>(w)
  y = MatMul(x, t)
})",
                 "w", "", 2},
        HeadCase{"convolution", R"(g (float[n, 2, 4, 4] x) => (float[n, 3] y)
<float[3, 2, 1, 1] w = {1, 2, 3, 4, 5, 6}, float[3] b = {1, 2, 3}, int64[2] shape = {-1, 3}> {
  h = Conv(x, w, b)
  r = Relu(h)
  p = GlobalAveragePool(r)
  y = Reshape(p, shape)
})",
                 "w", "b", 2}),
    [](const auto& info) { return info.param.name; });

TEST(Heads, KeepTensorsThatOthersUse) {
  const std::string model = model_bytes(R"(
g (float[n, 2] x) => (float[n, 2] y) <float[2, 2] w = {1, 2, 3, 4}> {
  h = MatMul(x, w)
  y = MatMul(h, w)
})");
  const std::string replaced = frontend::replace_head(model, "", 3, alternating());
  EXPECT_EQ(frontend::tensor_names(replaced), (std::set<std::string>{"w", "w.head"}));
  EXPECT_EQ(frontend::find_head(replaced, "").weight, "w.head");
  EXPECT_EQ(to_string(frontend::parse_model(replaced)->outputs()[0]->type()), "f32[n, 3]");
}

TEST(Heads, AreMissingWhereNoLinearLayerIsInFront) {
  auto error = [](const std::string& text, const std::string& output = "") {
    return message_of([&] { frontend::find_head(model_bytes(text), output); });
  };
  expect_contains(error("g (float[n, 2] x) => (float[n, 2] y) { y = Sin(x) }"), "Sin 'y' is in between");
  expect_contains(error("g (float[n, 2] x) => (float[n, 2] y) { y = Relu(x) }"),
                  "comes from no linear layer");
  expect_contains(error("g (float[n, 2] x, float[2, 2] w) => (float[n, 2] y) { y = MatMul(x, w) }"),
                  "comes from no linear layer");
  expect_contains(error("g (float[n, 2] x) => (float[n, 2] y) { y = Relu(x) }", "z"), "no output 'z'");
}

}  // namespace
}  // namespace dlc::test
