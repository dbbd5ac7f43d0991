#include "frontend/read_model.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ir/op.h"
#include "runtime/error.h"
#include "tests/support/error_text.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

using frontend::ReadOptions;

TEST(ReadModel, TypesAPlainGraph) {
  const auto graph =
      graph_from_text("g (float[batch, 3] x) => (float[batch, 3] y) { h = Neg(x) y = Relu(h) }");
  EXPECT_EQ(summary(*graph), "Neg(x) -> h; Relu(h) -> y");
  EXPECT_EQ(ir::to_string(graph->outputs()[0]->type()), "f32[batch, 3]");
  EXPECT_EQ(graph->output_names(), std::vector<std::string>{"y"});
  EXPECT_TRUE(graph->symbols().at("batch").from_input);
}

TEST(ReadModel, NamesUnnamedDimsAfterInputAndAxis) {
  const auto graph = graph_from_text("g (float[?, 3, ?] x) => (float[?, 3, ?] y) { y = Relu(x) }");
  EXPECT_EQ(ir::to_string(graph->outputs()[0]->type()), "f32[x_dim0, 3, x_dim2]");
}

TEST(ReadModel, MakesIdentifiersOfDimNames) {
  onnx::ModelProto model = model_from_text("g (float[a, b] x) => (float[a, b] y) { y = Relu(x) }");
  auto* shape =
      model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->mutable_dim(0)->set_dim_param("2*N");
  shape->mutable_dim(1)->set_dim_param("2_N");
  const auto graph = graph_from(model);
  EXPECT_EQ(ir::to_string(graph->inputs()[0]->type()), "f32[d_2_N, d_2_N_1]");
}

TEST(ReadModel, FixesDimsByShapeOption) {
  const std::string text =
      "g (float[n, 3] x, float[n, m] z) => (float[n, 3] y, float[n, m] w) { y = Relu(x) w = Relu(z) }";
  ReadOptions options;
  options.input_shapes["x"] = {5, -1};
  const auto graph = graph_from_text(text, options);
  EXPECT_EQ(ir::to_string(graph->outputs()[0]->type()), "f32[5, 3]");
  EXPECT_EQ(ir::to_string(graph->outputs()[1]->type()), "f32[5, m]");
  options.input_shapes["x"] = {5, 4};
  expect_contains(error_of_text(text, options),
                  "--shape gives 4 for dim 1 of input 'x', which the model fixes to 3");
  options.input_shapes["x"] = {5};
  expect_contains(error_of_text(text, options), "--shape gives 1 dims for input 'x', which has 2");
  options.input_shapes = {{"x", {5, 3}}, {"z", {6, 2}}};
  expect_contains(error_of_text(text, options), "both the value 5 and the value 6");
  options.input_shapes = {{"xx", {1}}};
  expect_contains(error_of_text(text, options),
                  "--shape is given for 'xx', but the inputs are x, z; did you mean");
}

TEST(ReadModel, GivesARankThatOnlyTheShapeOptionKnows) {
  onnx::ModelProto model = model_from_text("g (float[n] x) => (float[n] y) { y = Relu(x) }");
  model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  expect_contains(error_of(model), "'x' has no shape; fix it with --shape x=");
  ReadOptions options;
  options.input_shapes["x"] = {2, -1};
  EXPECT_EQ(ir::to_string(graph_from(model, options)->outputs()[0]->type()), "f32[2, x_dim1]");
}

TEST(ReadModel, ImportsInitializersAsConstants) {
  const std::string text = R"(
    g (float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}> { y = Add(x, w) })";
  const auto graph = graph_from_text(text);
  ASSERT_EQ(graph->inputs().size(), 1u);
  EXPECT_EQ(graph->nodes().front()->input(1)->constant().get_double(1), 2);
  ReadOptions options;
  options.initializers_as_inputs = true;
  EXPECT_EQ(graph_from_text(text, options)->inputs().size(), 2u);
}

TEST(ReadModel, SortsNodes) {
  EXPECT_EQ(summary(*graph_from_text("g (float[2] x) => (float[2] y) { y = Relu(h) h = Neg(x) }")),
            "Neg(x) -> h; Relu(h) -> y");
}

TEST(ReadModel, ReadsEveryFormOfConstant) {
  const auto graph = graph_from_text(R"(g (float[2] x) => (float[2] y, int64[2] i, int64 s) {
    a = Constant <value_floats = [1.0, 2.0]> ()
    i = Constant <value_ints = [3, 4]> ()
    s = Constant <value_int = 5> ()
    y = Add(x, a)
  })");
  EXPECT_EQ(graph->nodes().size(), 1u);
  EXPECT_EQ(graph->outputs()[1]->constant().to_ints(), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(ir::to_string(graph->outputs()[2]->type()), "i64[]");
}

TEST(ReadModel, AcceptsAnyNames) {
  onnx::ModelProto model = model_from_text("g (float[2] x) => (float[2] y) { y = Relu(x) }");
  model.mutable_graph()->mutable_input(0)->set_name("größe/0:入力");
  model.mutable_graph()->mutable_node(0)->set_input(0, "größe/0:入力");
  EXPECT_EQ(graph_from(model)->inputs()[0]->name(), "größe/0:入力");
  model.mutable_graph()->mutable_input(0)->set_name("\xff\xfe");
  model.mutable_graph()->mutable_node(0)->set_input(0, "\xff\xfe");
  expect_contains(error_of(model), "not valid UTF-8");
}

TEST(ReadModel, InlinesModelFunctions) {
  const auto graph = graph_from_text(R"(
    <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    g (float[2] x) => (float[2] y) { y = local.twice <slope = 0.5> (x) }
    <domain: "local", opset_import: ["" : 17, "local" : 1]>
    twice <slope> (a) => (b) { h = local.once <alpha: float = @slope> (a)  b = local.once <alpha = 0.25> (h) }
    <domain: "local", opset_import: ["" : 17]>
    once <alpha: float = 0.125> (a) => (b) { b = LeakyRelu <alpha: float = @alpha> (a) }
  )");
  ASSERT_EQ(graph->nodes().size(), 2u);
  EXPECT_EQ(graph->nodes().front()->attribute<double>("alpha"), 0.5);
  EXPECT_EQ(graph->nodes().back()->attribute<double>("alpha"), 0.25);
}

TEST(ReadModel, GivesFunctionAttributesTheirDefaults) {
  const std::string text = R"(
    <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    g (float[2] x) => (float[2] y) { y = local.once (x) }
    <domain: "local", opset_import: ["" : 17]>
    once <alpha: float = 0.125> (a) => (b) { b = LeakyRelu <alpha: float = @alpha> (a) }
  )";
  EXPECT_EQ(graph_from_text(text)->nodes().front()->attribute<double>("alpha"), 0.125);
}

TEST(ReadModel, RejectsRecursiveFunctions) {
  expect_contains(error_of_text(R"(
    <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    g (float[2] x) => (float[2] y) { y = local.f (x) }
    <domain: "local", opset_import: ["" : 17, "local" : 1]>
    f (a) => (b) { b = local.g (a) }
    <domain: "local", opset_import: ["" : 17, "local" : 1]>
    g (a) => (b) { b = local.f (a) }
  )"),
                  "function 'f' calls itself");
}

TEST(ReadModel, BoundsWhatFunctionsGrowTo) {
  std::string text = R"(<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    g (float[2] x) => (float[2] y) { y = local.f0 (x) })";
  for (int i = 0; i < 40; ++i) {
    const std::string body =
        i == 39 ? "h = Neg(a) b = Neg(h)" : fmt::format("h = local.f{0} (a) b = local.f{0} (h)", i + 1);
    text += fmt::format(
        "\n<domain: \"local\", opset_import: [\"\" : 17, \"local\" : 1]>\nf{} (a) => (b) {{ {} }}", i, body);
  }
  ReadOptions options;
  options.max_nodes = 10000;
  expect_contains(error_of_text(text, options), "more than 10000 nodes");
}

TEST(ReadModel, ChecksDeclaredOutputs) {
  expect_contains(error_of_text("g (float[2] x) => (float[3] y) { y = Relu(x) }"),
                  "output 'y' is declared with shape [3], but it is f32[2]");
  expect_contains(error_of_text("g (float[2] x) => (float[2, 1] y) { y = Relu(x) }"),
                  "declared with shape [2, 1]");
  expect_contains(error_of_text("g (float[2] x) => (int64[2] y) { y = Relu(x) }"), "declared as int64");
}

TEST(ReadModel, ImportsDefinitionsOfLegacyOperators) {
  for (const char* op : {"Slice", "Reshape", "CastLike"}) {
    if (ir::OpRegistry::global().find("", op) == nullptr) GTEST_SKIP() << "needs " << op;
  }
  const auto graph = graph_from_text(R"(<ir_version: 3, opset_import: ["" : 7]>
    g (float[1, 3, 8, 9] x) => (float[1, 3, 5, 4] y) {
      a = ImageScaler <scale = 2.0, bias = [1.0, 2.0, 3.0]> (x)
      b = Affine <alpha = 0.5, beta = 1.0> (a)
      y = Crop <border = [2, 1, 3, 2]> (b)
    })");
  EXPECT_EQ(ir::to_string(graph->outputs()[0]->type()), "f32[1, 3, 5, 4]");
  expect_contains(error_of_text(R"(<ir_version: 3, opset_import: ["" : 11]>
    g (float[2] x) => (float[2] y) { y = Affine (x) })"),
                  "operator Affine was removed in opset 10; the model imports opset 11");
}

class ModelFile : public ::testing::Test {
 protected:
  std::string write(const std::string& bytes) {
    path_ = ::testing::TempDir() + "dlc_model_" + std::to_string(::getpid()) + ".onnx";
    std::ofstream(path_, std::ios::binary) << bytes;
    return path_;
  }
  void TearDown() override { std::filesystem::remove(path_); }

  static std::pair<ErrorKind, std::string> error_of_file(const std::string& path) {
    try {
      frontend::read_model(path);
    } catch (const Error& error) {
      return {error.kind(), error.what()};
    }
    return {ErrorKind::kInternal, "no error"};
  }
  std::string path_;
};

TEST_F(ModelFile, IsReadAndNamedInErrors) {
  const std::string bytes = model_bytes("g (float[2] x) => (float[2] y) { y = Relu(x) }");
  EXPECT_EQ(frontend::read_model(write(bytes))->nodes().size(), 1u);
  const auto [kind, text] =
      error_of_file(write(model_bytes("g (float[2] x) => (float[2] y) { y = Reluu(x) }")));
  EXPECT_EQ(kind, ErrorKind::kModel);
  EXPECT_EQ(text,
            path_ + ": Reluu (output 'y'): unknown operator Reluu in domain ai.onnx; did you mean 'Relu'?");
}

TEST_F(ModelFile, MustBeAnOnnxModel) {
  expect_contains(error_of_file("/nonexistent/m.onnx").second,
                  "/nonexistent/m.onnx: cannot be opened: No such file");
  EXPECT_EQ(error_of_file("/nonexistent/m.onnx").first, ErrorKind::kIo);
  expect_contains(error_of_file(::testing::TempDir()).second, "is not a file");
  expect_contains(error_of_file(write("")).second, "is empty");
  expect_contains(error_of_file(write("hello, world")).second, "is not an ONNX model");
  const std::string bytes = model_bytes("g (float[2] x) => (float[2] y) { y = Relu(x) }");
  expect_contains(error_of_file(write(bytes.substr(0, bytes.size() - 5))).second, "is truncated");
  onnx::ModelProto model = model_from_text("g (float[2] x) => (float[2] y) { y = Relu(x) }");
  model.set_ir_version(99);
  expect_contains(error_of(model), "ONNX IR version 99; known are 1 to");
  model.clear_ir_version();
  expect_contains(error_of(model), "states no IR version");
}

TEST_F(ModelFile, MayNotNestTooDeeply) {
  onnx::ModelProto model = model_from_text("g (bool c, float[2] x) => (float[2] y) { y = Relu(x) }");
  onnx::GraphProto* graph = model.mutable_graph();
  for (int i = 0; i < 200; ++i) {
    onnx::NodeProto* node = graph->mutable_node(0);
    node->set_op_type("If");
    node->set_input(0, "c");
    onnx::AttributeProto* attribute = node->add_attribute();
    attribute->set_name("then_branch");
    attribute->set_type(onnx::AttributeProto::GRAPH);
    graph = attribute->mutable_g();
    graph->add_node()->add_input("x");
    graph->mutable_node(0)->add_output("y");
    graph->add_output()->set_name("y");
  }
  expect_contains(error_of(model), "nests too deeply");
}

}  // namespace
}  // namespace dlc::test
