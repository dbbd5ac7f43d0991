// dlc-run as a user calls it.
#include <algorithm>
#include <cstring>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "runtime/data/files.h"
#include "runtime/data/image.h"
#include "runtime/data/npy.h"
#include "tests/tools/tools.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

ProcessResult run(const std::vector<std::string>& arguments, const ProcessOptions& options = {}) {
  return run_tool("dlc-run", arguments, options);
}

// The picture of a digit as dlc-run makes it of the file.
Tensor digit_tensor(int digit) {
  return data::image_tensor(data::read_image(digit_picture(digit)),
                            {.height = 8, .width = 8, .color = data::Color::kGray});
}

// A TensorProto: dims, data_type, raw_data.
std::string tensor_proto(const Tensor& tensor) {
  std::string bytes;
  for (const int64_t extent : tensor.shape()) bytes += {'\x08', static_cast<char>(extent)};
  bytes += {'\x10', '\x01', '\x4a'};
  const auto size = static_cast<size_t>(tensor.byte_size());
  bytes += {static_cast<char>(size % 128 + 128), static_cast<char>(size / 128)};
  return bytes + std::string(static_cast<const char*>(tensor.data()), size);
}

class DlcRunInputs : public testing::Test {
 protected:
  void SetUp() override {
    data::write_npy(folder_ / "image.npy", digit_tensor(3));
    data::write_file(folder_ / "image.pb", tensor_proto(digit_tensor(3)));
    ASSERT_EQ(
        run_process({"python3", "-m", "zipfile", "-c", "images.npz", "image.npy"}, {.folder = folder_.path()})
            .code,
        0);
  }
  TemporaryFolder folder_;
};

TEST_F(DlcRunInputs, AreReadFromEveryKindOfFile) {
  compile_digits(folder_ / "m.so");
  const ProcessResult expected = run({folder_ / "m.so", "-q", "--input", digit_picture(3)});
  EXPECT_TRUE(matches(expected.out, "^probabilities  float\\[1, 10\\]  min .*  max 0\\.9")) << expected.out;
  for (const std::string file : {"image.npy", "image.pb", "images.npz"}) {
    for (const std::string name : {"", "image="}) {
      const ProcessResult found = run({folder_ / "m.so", "-q", "--input", name + (folder_ / file)});
      EXPECT_EQ(found.out, expected.out) << name << file << found.err;
    }
  }
}

TEST_F(DlcRunInputs, MayComeBeforeTheModel) {
  EXPECT_EQ(run({"-i", folder_ / "image.npy", digits_model()}).code, 0);
  EXPECT_EQ(run({"--shape", "2x1x8x8", digits_model()}).code, 0);
}

TEST_F(DlcRunInputs, AreNamedWhenTheyDoNotFit) {
  data::write_npy(folder_ / "wide.npy", Tensor(DType::kFloat, {1, 1, 8, 9}));
  data::write_npy(folder_ / "flat.npy", Tensor(DType::kFloat, {64}));
  data::write_npy(folder_ / "double.npy", Tensor(DType::kDouble, {1, 1, 8, 8}));
  data::write_file(folder_ / "cut.npy", read_text(folder_ / "image.npy").substr(0, 200));
  data::write_file(folder_ / "cut.npz", read_text(folder_ / "images.npz").substr(0, 200));
  data::write_file(folder_ / "cut.png", read_text(digit_picture(3)).substr(0, 60));
  data::write_file(folder_ / "cut.pb", read_text(folder_ / "image.pb").substr(0, 60));
  compile_digits(folder_ / "m.so");
  const auto expect = [&](const std::string& file, int code, const std::string& pattern) {
    expect_fault(run({folder_ / "m.so", "-q", "-i", file}), code, pattern);
  };
  expect(folder_ / "wide.npy", 1, "input 'image' axis 3: expected 8, found 9");
  expect(folder_ / "flat.npy", 1, "input 'image': expected 4 axes, found 1");
  expect(folder_ / "double.npy", 1, "input 'image': expected elements of type float, found double");
  expect(folder_ / "cut.npy", 1, "cut\\.npy: .*truncated.* needs 256 bytes");
  expect(folder_ / "cut.npz", 1, "cut\\.npz: ");
  expect(folder_ / "cut.png", 1, "cut\\.png: ");
  expect(folder_ / "cut.pb", 1, "cut\\.pb: .*truncated");
  expect("nowhere.npy", 1, "nowhere\\.npy: .*No such file");
  expect("picture.gif", 2, "'picture\\.gif' has an unknown kind of name; expected \\.npy");
  expect("imag=" + (folder_ / "image.npy"), 2, "no input 'imag'.*did you mean 'image'");
}

TEST(DlcRun, NamesTheLikeliestClasses) {
  for (const int digit : {0, 4, 7}) {
    const ProcessResult result =
        run({digits_model(), "-i", digit_picture(digit), "--labels", digit_labels(), "--top", "3"});
    EXPECT_TRUE(matches(result.out, "\n +9\\d\\.\\d+ %  " + std::to_string(digit) + "\n.*%.*\n.*%.*\n"))
        << result.out;
    EXPECT_EQ(result.err, "");
  }
}

TEST(DlcRun, GivesTheSameFromALibrary) {
  const TemporaryFolder folder;
  compile_digits(folder / "m.so");
  const ProcessResult compiled = run({digits_model(), "-q", "-i", digit_picture(5)});
  const ProcessResult loaded = run({"m.so", "-q", "-i", digit_picture(5)}, {.folder = folder.path()});
  EXPECT_EQ(loaded.code, 0) << loaded.err;
  EXPECT_EQ(loaded.out, compiled.out);
}

TEST(DlcRun, GivesTheSameWhateverTheNumberOfThreads) {
  const std::vector<std::string> arguments = {digits_model(), "-q", "--shape", "64x1x8x8", "--seed", "7"};
  const ProcessResult one = run({arguments[0], "-q", "--shape", "64x1x8x8", "--threads", "1"});
  for (const char* threads : {"2", "5"}) {
    EXPECT_EQ(run({arguments[0], "-q", "--shape", "64x1x8x8", "--threads", threads}).out, one.out);
  }
  EXPECT_NE(run(arguments).out, one.out) << "another seed";
}

TEST(DlcRun, WritesOutputs) {
  const TemporaryFolder folder;
  const ProcessResult result =
      run({digits_model(), "-q", "-i", digit_picture(6), "--output-dir", folder / "a/b"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Tensor scores = data::read_npy(folder / "a/b/probabilities.npy");
  EXPECT_EQ(scores.shape(), (std::vector<int64_t>{1, 10}));
  EXPECT_GT(scores.get_double(6), 0.9);
}

TEST(DlcRun, TimesRuns) {
  const TemporaryFolder folder;
  compile_digits(folder / "m.so");
  for (const std::string& model : {digits_model(), folder / "m.so"}) {
    const ProcessResult result = run({model, "--bench", "--json", "--seconds", "0.05", "--threads", "1",
                                      "--precision", "fp32", "--input=image=" + digit_picture(1)});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(matches(result.out, "^[^\n]*\n$")) << "one line";
    const auto json = nlohmann::json::parse(result.out);
    for (const char* key : {"min_ms", "median_ms", "p99_ms", "compile_ms", "load_ms", "first_run_ms",
                            "peak_rss_mb", "arena_mb", "threads"}) {
      ASSERT_TRUE(json.contains(key)) << key;
      EXPECT_TRUE(json[key].is_number()) << key;
    }
    EXPECT_GT(json["min_ms"], 0);
    EXPECT_LE(json["min_ms"], json["median_ms"]);
    EXPECT_LE(json["median_ms"], json["p99_ms"]);
    EXPECT_EQ(json["compile_ms"] == 0, model != digits_model());
    EXPECT_EQ(json["threads"], 1);
  }
  EXPECT_TRUE(
      matches(run({digits_model(), "--bench", "--seconds", "0"}).out, "min .* ms  median .* ms  p99"));
}

TEST(DlcRun, ProfilesKernels) {
  const TemporaryFolder folder;
  const ProcessResult result =
      run({digits_model(), "-q", "--profile", folder / "trace.json", "--seconds", "0.05"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "us +% calls +GFLOP/s +GB/s +kernel \\(origin\\)\n")) << result.out;
  EXPECT_TRUE(matches(result.out, " \\d+\\.\\d +1 +\\d+\\.\\d +\\d+\\.\\d  conv\\S* \\(Conv ")) << result.out;
  const auto events = nlohmann::json::parse(read_text(folder / "trace.json"))["traceEvents"];
  int contractions = 0;
  for (const auto& event : events) {
    if (event["ph"] != "X") continue;
    EXPECT_GE(event["dur"], 0);
    EXPECT_TRUE(event["args"].contains("bytes")) << event;
    if (!event["args"].contains("flops") || event["args"]["flops"] == 0) continue;
    ++contractions;
    const double rate = event["args"]["GFLOP/s"];
    EXPECT_NEAR(rate, double(event["args"]["flops"]) / double(event["dur"]) / 1e3, 1e-3 * rate);
  }
  EXPECT_GE(contractions, 3) << "a convolution and two dense layers";
  compile_digits(folder / "plain.so");
  expect_fault(run({folder / "plain.so", "-q", "--profile", folder / "x.json"}), 2,
               "compiled without --profile");
  compile_digits(folder / "timed.so", {"--profile"});
  EXPECT_EQ(run({folder / "timed.so", "--profile", folder / "x.json"}).code, 0);
}

TEST(DlcRun, ComparesWithReferenceCompilation) {
  const ProcessResult result = run({digits_model(), "--compare", "--all"});
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_TRUE(matches(result.out, "ok   probabilities \\(whole program\\)")) << result.out;
  EXPECT_TRUE(matches(result.out, "\\d+ values compared, 0 beyond 1\\.0e-04")) << result.out;
  const ProcessResult strict = run({digits_model(), "--compare", "--tolerance", "0"});
  EXPECT_EQ(strict.code, 1);
  EXPECT_TRUE(matches(strict.out, "first divergent node: ")) << strict.out;
}

TEST(DlcRun, ExplainsTheChoiceOfKernels) {
  const ProcessResult result = run({digits_model(), "-q", "--explain"});
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_TRUE(matches(result.out, "Conv .*  conv.*  f32 contraction, register tiles, packed weights\n"))
      << result.out;
}

TEST(DlcRun, RunsTestCases) {
  const TemporaryFolder folder;
  const fs::path cases = onnx_cases_dir() / "node";
  const ProcessResult good =
      run({"--test", (cases / "test_relu").string(), (cases / "test_matmul_2d").string(), "--jobs", "2"});
  EXPECT_EQ(good.code, 0) << good.out;
  EXPECT_EQ(good.out, "2 passed, 0 failed\n");
  // The expected output of one case for the input of another.
  fs::copy(cases / "test_relu", folder.path() / "wrong", fs::copy_options::recursive);
  fs::copy_file(cases / "test_relu/test_data_set_0/input_0.pb",
                folder.path() / "wrong/test_data_set_0/output_0.pb", fs::copy_options::overwrite_existing);
  for (const char* isolation : {"--jobs=1", "--no-isolate"}) {
    const ProcessResult bad = run({"--test", folder / "wrong", (cases / "test_abs").string(), isolation});
    EXPECT_EQ(bad.code, 1);
    EXPECT_TRUE(
        matches(bad.out, "^FAIL [^\n]*wrong: test_data_set_0: output 'y' \\[[^\n]*is 0[^\n]*expected -"))
        << bad.out;
    EXPECT_TRUE(matches(bad.out, "\n1 passed, 1 failed\n$")) << bad.out;
  }
}

TEST(DlcRun, ListsOperators) {
  const ProcessResult result = run({"--operators"});
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(matches(result.out, "\n\\| MatMul +\\| 1, 9, 13 +\\|")) << result.out;
  EXPECT_EQ(result.out, read_text((source_dir() / "docs/operators.md").string()))
      << "docs/operators.md is not current: dlc-run --operators > docs/operators.md";
}

struct FaultCase {
  const char* name;
  std::vector<std::string> arguments;
  int code;
  std::string pattern;
};

class DlcRunFault : public testing::TestWithParam<FaultCase> {};

TEST_P(DlcRunFault, IsToldInOneLine) {
  const TemporaryFolder folder;
  const std::vector<std::string>& arguments = GetParam().arguments;
  const bool uses_library = std::find(arguments.begin(), arguments.end(), "m.so") != arguments.end();
  if (uses_library) compile_digits(folder / "m.so");
  expect_fault(run(arguments, {.folder = folder.path()}), GetParam().code, GetParam().pattern);
  EXPECT_EQ(folder.names(), std::vector<std::string>(uses_library ? 1 : 0, "m.so"));
}

const std::string kModel = digits_model();

INSTANTIATE_TEST_SUITE_P(
    All, DlcRunFault,
    testing::Values(
        FaultCase{"no_model", {}, 2, "MODEL is missing; dlc-run --help"},
        FaultCase{"missing_model", {"nowhere.onnx"}, 1, "nowhere\\.onnx: .*No such file"},
        FaultCase{"two_modes", {kModel, "--bench", "--compare"}, 2, "exclude each other"},
        FaultCase{"json_alone", {kModel, "--json"}, 2, "--json goes with --bench"},
        FaultCase{"top_of_bench", {kModel, "--bench", "--top", "1"}, 2, "go with a plain run"},
        FaultCase{"top_zero", {kModel, "--top", "0"}, 2, "at least 1, found '0'"},
        FaultCase{"threads_text", {kModel, "--threads", "many"}, 2, "--threads: expected a number .*'many'"},
        FaultCase{"labels_missing", {kModel, "-q", "--labels", "nowhere.txt"}, 1, "nowhere\\.txt"},
        FaultCase{"model_and_test", {kModel, "--test", "/tmp"}, 2, "no MODEL beside them"},
        FaultCase{"test_nothing", {"--test", "."}, 2, "'\\.' holds no model\\.onnx"},
        FaultCase{"test_no_folder", {"--test", "nowhere"}, 2, "'nowhere' is no folder"},
        FaultCase{"compare_library", {"m.so", "--compare"}, 2, "needs an ONNX file"},
        FaultCase{"explain_library", {"m.so", "--explain"}, 2, "needs an ONNX file"},
        FaultCase{"cpu_of_library", {"m.so", "--cpu", "x86-64-v3"}, 2, "compiled already"},
        FaultCase{"weights_of_model", {kModel, "--weights", "w.bin"}, 2, "--weights goes with a library"},
        FaultCase{"shape_of_library",
                  {"m.so", "-q", "--shape", "1x2x8x8"},
                  2,
                  "gives 2 for dim 1 of input 'image'"},
        FaultCase{"shape_rank", {"m.so", "-q", "--shape", "1x64"}, 2, "gives 2 dims for input 'image'"},
        FaultCase{"precision",
                  {kModel, "--precision", "fp8"},
                  2,
                  "--precision: unknown precision 'fp8', expected fp32 or bf16; did you mean 'fp32'\\?"},
        FaultCase{
            "profile_folder", {kModel, "--profile", "nowhere/t.json"}, 1, "cannot write 'nowhere/t\\.json'"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace dlc::test
