// The light models of the ONNX distribution: real networks whose weights are constants that all have one
// value, so that they prove import, compilation and shapes only.
#include <gtest/gtest.h>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "tests/support/paths.h"
#include "tools/test_cases.h"

namespace dlc::test {
namespace {

class LightModels : public testing::TestWithParam<const char*> {};

TEST_P(LightModels, CompileAndRun) {
  const std::string folder = (onnx_cases_dir() / "light" / (std::string("light_") + GetParam())).string();
  tools::CaseOptions options;
  options.isolate = false;
  const auto results = tools::run_cases({folder}, options, [](const tools::CaseResult&) {});
  EXPECT_EQ(results.front().reason, "");
}

INSTANTIATE_TEST_SUITE_P(Onnx, LightModels,
                         testing::Values("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2",
                                         "resnet50", "shufflenet", "squeezenet", "vgg19", "zfnet512"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace dlc::test
