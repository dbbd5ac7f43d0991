// What dlc-train exports is a model for other runtimes: ONNX Runtime computes with it what dlc-run does.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "runtime/data/npy.h"
#include "runtime/training/random.h"
#include "tests/tools/tools.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

// A Python that has onnxruntime: of tests/models/references.sh or tests/bench/setup_peers.sh; empty: there is
// none.
std::string python_with_onnxruntime() {
  for (const char* environment : {"references_venv", "peers"}) {
    const fs::path python = references_dir().parent_path() / environment / "bin/python";
    if (fs::exists(python) && run_process({python.string(), "-c", "import onnxruntime"}).code == 0)
      return python;
  }
  return "";
}

Tensor random_tensor(std::vector<int64_t> shape, uint64_t seed) {
  Tensor result(DType::kFloat, std::move(shape));
  training::Random random(seed);
  for (int64_t i = 0; i < result.size(); ++i) result.set_double(i, random.unit());
  return result;
}

double largest(const Tensor& tensor) {
  double result = 0;
  for (int64_t i = 0; i < tensor.size(); ++i) result = std::max(result, std::abs(tensor.get_double(i)));
  return result;
}

// max|difference| / max|reference|
double difference(const Tensor& found, const Tensor& reference) {
  EXPECT_EQ(found.shape(), reference.shape());
  if (found.shape() != reference.shape()) return INFINITY;
  double result = 0;
  for (int64_t i = 0; i < found.size(); ++i) {
    result = std::max(result, std::abs(found.get_double(i) - reference.get_double(i)));
  }
  return result / largest(reference);
}

struct ExportCase {
  const char* name;
  std::string model;
  std::vector<int64_t> sample;  // its shape
  std::vector<std::string> flags;
};

void PrintTo(const ExportCase& item, std::ostream* stream) { *stream << item.name; }

class DlcTrainExport : public testing::TestWithParam<ExportCase> {
 protected:
  // The first output of dlc-run for input.npy.
  Tensor run_dlc(const std::string& model) {
    fs::remove_all(folder_ / "outputs");
    const ProcessResult result =
        run_tool("dlc-run", {model, "--input", "input.npy", "-q", "-o", "outputs"}, here_);
    EXPECT_EQ(result.code, 0) << result.err;
    for (const auto& entry : fs::directory_iterator(folder_ / "outputs")) return data::read_npy(entry.path());
    return {};
  }

  TemporaryFolder folder_;
  ProcessOptions here_{.folder = folder_.path()};
};

TEST_P(DlcTrainExport, RunsInOnnxRuntimeAsInDlc) {
  const ExportCase& item = GetParam();
  const std::string python = python_with_onnxruntime();
  if (python.empty()) GTEST_SKIP() << "no onnxruntime: tests/models/references.sh installs it";
  if (!fs::exists(item.model)) GTEST_SKIP() << item.model << " is not there";
  constexpr int64_t kSamples = 32;
  std::vector<int64_t> shape = item.sample;
  shape.insert(shape.begin(), kSamples);
  data::write_npy(folder_ / "x.npy", random_tensor(shape, 3));
  Tensor labels(DType::kInt64, {kSamples});
  for (int64_t i = 0; i < kSamples; ++i) labels.set_int(i, i % 10);
  data::write_npy(folder_ / "y.npy", labels);
  shape[0] = 1;
  data::write_npy(folder_ / "input.npy", random_tensor(shape, 4));

  std::vector<std::string> arguments = {
      "fit",   item.model, "--data",      "npy:x.npy,y.npy",          "--epochs",    "2", "--batch", "8",
      "--out", "run",      "--optimizer", "sgd,lr=0.05,momentum=0.9", "--clip-norm", "1"};
  arguments.insert(arguments.end(), item.flags.begin(), item.flags.end());
  const ProcessResult fitted = run_tool("dlc-train", arguments, here_);
  ASSERT_EQ(fitted.code, 0) << fitted.err;
  ASSERT_EQ(run_tool("dlc-train", {"export", "run", "-o", "tuned.onnx"}, here_).code, 0);

  const std::string script = (source_dir() / "tests/tools/programs/run_onnxruntime.py").string();
  const ProcessResult other = run_process({python, script, "tuned.onnx", "input.npy", "expected.npy"}, here_);
  ASSERT_EQ(other.code, 0) << other.err;
  const Tensor expected = data::read_npy(folder_ / "expected.npy");
  EXPECT_LE(difference(run_dlc("tuned.onnx"), expected), 1e-4);
  EXPECT_GE(difference(run_dlc("run/model.onnx"), expected), 1e-3)
      << "training has changed what the model says";
}

INSTANTIATE_TEST_SUITE_P(
    All, DlcTrainExport,
    testing::Values(
        ExportCase{"digits", digits_model(), {1, 8, 8}, {}},
        ExportCase{"new_head", digits_model(), {1, 8, 8}, {"--head", "replace:classes=12"}},
        ExportCase{"frozen", digits_model(), {1, 8, 8}, {"--freeze", "filters*"}},
        ExportCase{"cifar", (shared_dir() / "models/winml_cifar_cnn/model.onnx").string(), {3, 32, 32}, {}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace dlc::test
