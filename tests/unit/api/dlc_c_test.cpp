#include "api/dlc_c.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "api/dlc.h"
#include "tests/support/paths.h"
#include "tests/support/temporary_folder.h"

namespace dlc::test {
namespace {

std::string model_path() { return (source_dir() / "examples/digits/digits.onnx").string(); }

class CApi : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(dlc_read_model(model_path().c_str(), nullptr, &graph_), DLC_OK) << dlc_last_error();
    ASSERT_EQ(dlc_compile(graph_, nullptr, &program_), DLC_OK) << dlc_last_error();
    ASSERT_EQ(dlc_session_create(program_, nullptr, &session_), DLC_OK) << dlc_last_error();
  }
  void TearDown() override {
    dlc_session_release(session_);
    dlc_program_release(program_);
    dlc_graph_release(graph_);
  }

  dlc_graph* graph_ = nullptr;
  dlc_program* program_ = nullptr;
  dlc_session* session_ = nullptr;
};

TEST_F(CApi, DescribesInputsAndOutputs) {
  ASSERT_EQ(dlc_num_inputs(program_), 1);
  ASSERT_EQ(dlc_num_outputs(program_), 1);
  const dlc_value_info* input = dlc_input(program_, 0);
  EXPECT_STREQ(input->name, "image");
  EXPECT_EQ(input->dtype, 1);
  ASSERT_EQ(input->rank, 4);
  EXPECT_LT(input->dims[0], 0);
  EXPECT_STREQ(input->dim_texts[0], "batch");
  EXPECT_EQ(input->dims[3], 8);
  EXPECT_EQ(dlc_input(program_, 1), nullptr);
  EXPECT_EQ(dlc_output(program_, -1), nullptr);
}

TEST_F(CApi, ComputesWhatTheCxxApiDoes) {
  std::vector<float> pixels(2 * 64);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i * 37 % 64) / 64;
  int64_t shape[] = {2, 1, 8, 8};
  const dlc_tensor input = dlc_make_tensor(pixels.data(), 1, 4, shape);
  dlc_tensor output = {};
  ASSERT_EQ(dlc_run(session_, &input, &output), DLC_OK) << dlc_last_error();
  ASSERT_EQ(output.ndim, 2);
  EXPECT_EQ(output.shape[0], 2);
  EXPECT_EQ(output.shape[1], 10);

  const runtime::Program program = codegen::compile(*frontend::read_model(model_path()), {});
  const std::vector<Tensor> expected =
      runtime::Context(program).run({Tensor::of<float>(DType::kFloat, {2, 1, 8, 8}, pixels)});
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(static_cast<const float*>(output.data)[i], expected[0].as<float>()[i]) << i;
  }
}

TEST_F(CApi, WritesIntoTheCallersMemory) {
  std::vector<float> pixels(64), scores(10, -1);
  int64_t shape[] = {1, 1, 8, 8}, output_shape[] = {1, 10}, wrong_shape[] = {1, 9};
  const dlc_tensor input = dlc_make_tensor(pixels.data(), 1, 4, shape);
  dlc_tensor output = dlc_make_tensor(scores.data(), 1, 2, output_shape);
  ASSERT_EQ(dlc_run(session_, &input, &output), DLC_OK) << dlc_last_error();
  float sum = 0;
  for (const float score : scores) sum += score;
  EXPECT_NEAR(sum, 1, 1e-5);
  output.shape = wrong_shape;
  EXPECT_EQ(dlc_run(session_, &input, &output), DLC_INVALID_INPUT);
  EXPECT_STREQ(dlc_last_error(), "output 'probabilities' axis 1: expected 10, found 9");
}

TEST_F(CApi, NamesWhatIsWrongWithAnInput) {
  int64_t shape[] = {1, 1, 8, 9};
  float pixels[72] = {};
  const dlc_tensor input = dlc_make_tensor(pixels, 1, 4, shape);
  dlc_tensor output = {};
  EXPECT_EQ(dlc_run(session_, &input, &output), DLC_INVALID_INPUT);
  EXPECT_STREQ(dlc_last_error(), "input 'image' axis 3: expected 8, found 9");
  EXPECT_EQ(dlc_run(session_, nullptr, &output), DLC_INVALID_ARGUMENT);
  EXPECT_STREQ(dlc_last_error(), "the argument 'inputs' is null");
  EXPECT_EQ(dlc_run(nullptr, &input, &output), DLC_INVALID_ARGUMENT);
}

TEST_F(CApi, OutlivesWhatItWasMadeFrom) {
  dlc_graph_release(graph_);
  dlc_program_release(program_);
  graph_ = nullptr;
  program_ = nullptr;
  int64_t shape[] = {1, 1, 8, 8};
  float pixels[64] = {};
  const dlc_tensor input = dlc_make_tensor(pixels, 1, 4, shape);
  dlc_tensor output = {};
  EXPECT_EQ(dlc_run(session_, &input, &output), DLC_OK) << dlc_last_error();
}

TEST_F(CApi, WritesAndLoadsLibraries) {
  const TemporaryFolder folder;
  const std::string library = folder / "m.so", header = folder / "m.h", weights = folder / "m.bin";
  dlc_compile_options options = {};
  options.struct_size = sizeof options;
  options.name = "written";
  options.weights_file = weights.c_str();
  ASSERT_EQ(dlc_write_shared_library(graph_, &options, library.c_str(), header.c_str()), DLC_OK)
      << dlc_last_error();
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"m.bin", "m.h", "m.so"}));
  dlc_program* program = nullptr;
  EXPECT_EQ(dlc_load_library(library.c_str(), nullptr, &program), DLC_INVALID_ARGUMENT);
  ASSERT_EQ(dlc_load_library(library.c_str(), weights.c_str(), &program), DLC_OK) << dlc_last_error();
  EXPECT_EQ(dlc_num_inputs(program), 1);
  dlc_program_release(program);
  EXPECT_EQ(dlc_write_archive(graph_, nullptr, (folder / "nowhere/m.a").c_str(), nullptr), DLC_IO);
}

TEST(CApiErrors, BecomeStatusCodes) {
  dlc_graph* graph = reinterpret_cast<dlc_graph*>(1);
  EXPECT_EQ(dlc_read_model("nowhere.onnx", nullptr, &graph), DLC_IO);
  EXPECT_EQ(graph, nullptr);
  EXPECT_NE(std::string(dlc_last_error()).find("nowhere.onnx"), std::string::npos);
  const std::string text = (source_dir() / "LICENSE").string();
  EXPECT_EQ(dlc_read_model(text.c_str(), nullptr, &graph), DLC_INVALID_MODEL);
  EXPECT_EQ(dlc_read_model(nullptr, nullptr, &graph), DLC_INVALID_ARGUMENT);
  EXPECT_EQ(dlc_read_model("x", nullptr, nullptr), DLC_INVALID_ARGUMENT);
  dlc_read_options no_size = {};
  EXPECT_EQ(dlc_read_model(model_path().c_str(), &no_size, &graph), DLC_INVALID_ARGUMENT);
  const int64_t dims[] = {1, 2, 8, 8};
  const dlc_input_shape shape = {nullptr, 4, dims};
  const dlc_read_options options = {sizeof options, 1, &shape};
  EXPECT_EQ(dlc_read_model(model_path().c_str(), &options, &graph), DLC_INVALID_ARGUMENT);
  dlc_program* program = nullptr;
  EXPECT_EQ(dlc_compile(nullptr, nullptr, &program), DLC_INVALID_ARGUMENT);
  EXPECT_EQ(dlc_load_library(text.c_str(), nullptr, &program), DLC_INVALID_MODEL);
  dlc_graph_release(nullptr);
  dlc_program_release(nullptr);
  dlc_session_release(nullptr);
}

TEST(CApiErrors, BelongToTheirThread) {
  dlc_graph* graph = nullptr;
  dlc_read_model("here.onnx", nullptr, &graph);
  std::thread([&] {
    EXPECT_STREQ(dlc_last_error(), "");
    dlc_graph* other = nullptr;
    dlc_read_model("there.onnx", nullptr, &other);
  }).join();
  EXPECT_NE(std::string(dlc_last_error()).find("here.onnx"), std::string::npos);
}

TEST(CApiShapes, AreFixed) {
  const int64_t dims[] = {3, -1, -1, -1};
  const dlc_input_shape shape = {"image", 4, dims};
  const dlc_read_options options = {sizeof options, 1, &shape};
  dlc_graph* graph = nullptr;
  dlc_program* program = nullptr;
  ASSERT_EQ(dlc_read_model(model_path().c_str(), &options, &graph), DLC_OK) << dlc_last_error();
  ASSERT_EQ(dlc_compile(graph, nullptr, &program), DLC_OK) << dlc_last_error();
  EXPECT_EQ(dlc_input(program, 0)->dims[0], 3);
  EXPECT_STREQ(dlc_version(), version());
  dlc_program_release(program);
  dlc_graph_release(graph);
}

}  // namespace
}  // namespace dlc::test
