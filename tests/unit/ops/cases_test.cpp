// Every case of cases/*.txt, with the extents that it gives and with symbols in their places.
#include <gtest/gtest.h>

#include "codegen/compile.h"
#include "runtime/error.h"
#include "tests/support/paths.h"
#include "tests/unit/frontend/model_text.h"
#include "tests/unit/ops/case_file.h"

namespace dlc::test {
namespace {

enum class Extents { kGiven, kSymbolic };

// The length of a list of integers (starts, axes, ...) stays.
void make_symbolic(onnx::ModelProto& model) {
  int count = 0;
  for (auto& input : *model.mutable_graph()->mutable_input()) {
    if (!input.type().has_tensor_type()) continue;
    auto& type = *input.mutable_type()->mutable_tensor_type();
    if (type.elem_type() == onnx::TensorProto::INT64 && type.shape().dim_size() == 1) continue;
    for (auto& dim : *type.mutable_shape()->mutable_dim()) dim.set_dim_param("s" + std::to_string(count++));
  }
  for (auto& output : *model.mutable_graph()->mutable_output())
    if (output.type().has_tensor_type()) output.mutable_type()->mutable_tensor_type()->clear_shape();
}

std::vector<Value> run(const OperatorCase& item, Extents extents) {
  onnx::ModelProto model = model_from_text(item.model);
  if (extents == Extents::kSymbolic) make_symbolic(model);
  auto graph = graph_from(model);
  runtime::Program program = codegen::compile(*graph, {});
  return runtime::Context(program, {.threads = 1}).run_values(item.inputs);
}

void expect_failure(const OperatorCase& item, Extents extents) {
  try {
    run(item, extents);
    ADD_FAILURE() << "the run does not fail; expected: " << item.fails;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(item.fails), std::string::npos)
        << "  found: " << error.what() << "\n  expected: " << item.fails;
  }
}

void expect_outputs(const OperatorCase& item, Extents extents) {
  std::vector<Value> found = run(item, extents);
  ASSERT_EQ(found.size(), item.outputs.size());
  ASSERT_FALSE(found.empty());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(tools::first_difference(found[i], item.outputs[i], item.tolerance), std::nullopt)
        << "output " << i;
  }
}

class OperatorCases : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(OperatorCases, GiveTheExpectedValues) {
  for (const OperatorCase& item : read_operator_cases(GetParam())) {
    for (Extents extents : {Extents::kGiven, Extents::kSymbolic}) {
      SCOPED_TRACE(item.name + (extents == Extents::kGiven ? "" : ", symbolic extents"));
      try {
        item.fails.empty() ? expect_outputs(item, extents) : expect_failure(item, extents);
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
    }
  }
}

std::vector<std::filesystem::path> case_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "tests/unit/ops/cases"))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

INSTANTIATE_TEST_SUITE_P(Families, OperatorCases, testing::ValuesIn(case_files()),
                         [](const auto& info) { return info.param.stem().string(); });

}  // namespace
}  // namespace dlc::test
