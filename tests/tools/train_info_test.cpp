// Runs that are handed on in the standard's own words: export --training-info, fit --algorithm.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime/data/files.h"
#include "runtime/data/npy.h"
#include "runtime/training/random.h"
#include "tests/tools/tools.h"

namespace dlc::test {
namespace {

constexpr int64_t kSamples = 60;

// Pictures of four classes, with one quadrant that is bright.
void write_data(const TemporaryFolder& folder) {
  Tensor images(DType::kFloat, {kSamples, 1, 8, 8});
  Tensor labels(DType::kInt64, {kSamples});
  training::Random random(9);
  for (int64_t i = 0; i < kSamples; ++i) {
    const auto label = static_cast<int64_t>(random.below(4));
    labels.set_int(i, label);
    for (int64_t pixel = 0; pixel < 64; ++pixel) {
      const bool is_bright = pixel / 32 == label / 2 && pixel % 8 / 4 == label % 2;
      images.set_double(i * 64 + pixel, 0.5 * random.unit() + (is_bright ? 0.5 : 0));
    }
  }
  data::write_file(folder / "x.npy", data::format_npy(images));
  data::write_file(folder / "y.npy", data::format_npy(labels));
}

// Every step takes all samples, so that their order does not count.
std::vector<std::string> fit(const std::string& model, const std::string& out,
                             const std::vector<std::string>& more) {
  std::vector<std::string> result = {
      "fit", model,   "--data", "npy:x.npy,y.npy", "--batch", std::to_string(kSamples), "--threads",
      "1",   "--out", out};
  result.insert(result.end(), more.begin(), more.end());
  return result;
}

std::vector<double> losses(const TemporaryFolder& folder, const std::string& run) {
  std::istringstream lines(read_text(folder / (run + "/log.jsonl")));
  std::vector<double> result;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json.contains("loss")) result.push_back(json["loss"]);
  }
  return result;
}

class TrainingInfoOf : public testing::TestWithParam<const char*> {};

TEST_P(TrainingInfoOf, HandsARunOn) {
  const TemporaryFolder folder;
  write_data(folder);
  const ProcessOptions here{.folder = folder.path()};
  const std::vector<std::string> flags = {"--head",     "replace:classes=4", "--optimizer", GetParam(),
                                          "--lr-scale", "output*=0.5",       "--epochs"};
  const auto with_epochs = [&](const char* epochs) {
    std::vector<std::string> result = flags;
    result.emplace_back(epochs);
    return result;
  };
  for (const auto& [run, epochs] : {std::pair{"whole", "8"}, std::pair{"begun", "4"}}) {
    const ProcessResult result = run_tool("dlc-train", fit(digits_model(), run, with_epochs(epochs)), here);
    ASSERT_EQ(result.code, 0) << result.err;
  }
  const ProcessResult exported =
      run_tool("dlc-train", {"export", "begun", "--training-info", "-o", "t.onnx"}, here);
  ASSERT_EQ(exported.code, 0) << exported.err;
  const ProcessResult rest =
      run_tool("dlc-train", fit("t.onnx", "rest", {"--algorithm", "--epochs", "2"}), here);
  ASSERT_EQ(rest.code, 0) << rest.err;
  // The states of the algorithm are in the run's checkpoints.
  std::string toml = read_text(folder / "rest/run.toml");
  toml.replace(toml.find("epochs = 2"), 10, "epochs = 4");
  data::write_file(folder / "rest/run.toml", toml);
  const ProcessResult resumed = run_tool("dlc-train", {"resume", "rest"}, here);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  const std::vector<double> expected = losses(folder, "whole");
  const std::vector<double> found = losses(folder, "rest");
  ASSERT_EQ(expected.size(), 8U);
  ASSERT_EQ(found.size(), 4U);
  EXPECT_LT(expected[7], 0.98 * expected[4]) << "the comparison can fail";
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[4 + i], 1e-4 * expected[4 + i]) << i;
}

INSTANTIATE_TEST_SUITE_P(All, TrainingInfoOf,
                         testing::Values("adamw,lr=3e-3,wd=0.1", "adam,lr=3e-3,wd=0.01",
                                         "sgd,lr=0.05,momentum=0.8,nesterov,wd=0.01", "sgd,lr=0.1,wd=0.01",
                                         "adagrad,lr=0.02"),
                         [](const auto& info) {
                           std::string name = info.param;
                           name = name.substr(0, name.find(','));
                           return name + std::to_string(info.index);
                         });

TEST(TrainingInfo, TellsWhatIsWrong) {
  const TemporaryFolder folder;
  write_data(folder);
  const ProcessOptions here{.folder = folder.path()};
  expect_fault(run_tool("dlc-train", fit(digits_model(), "run", {"--algorithm"}), here), 1,
               "digits\\.onnx: the model does not say how it is trained");
  expect_fault(run_tool("dlc-train", fit(digits_model(), "run", {"--algorithm", "--freeze", "x"}), here), 2,
               "--freeze says otherwise");
  const ProcessResult run = run_tool(
      "dlc-train", fit(digits_model(), "run", {"--head", "replace:classes=4", "--clip-norm", "1"}), here);
  ASSERT_EQ(run.code, 0) << run.err;
  expect_fault(run_tool("dlc-train", {"export", "run", "--training-info", "-o", "t.onnx"}, here), 2,
               "no words for --clip-norm");
}

}  // namespace
}  // namespace dlc::test
