// An installed dlc in projects of others: the examples.
#include <fmt/format.h>

#include <regex>

#include "tests/tools/tools.h"

namespace dlc::test {
namespace {

class Install : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // A program without a sanitizer cannot load a library with one.
    if (std::string(DLC_TEST_SANITIZE).empty()) {
      folder_ = std::make_unique<TemporaryFolder>();
      const ProcessResult result =
          run_process({DLC_TEST_CMAKE, "--install", DLC_TEST_BINARY_DIR, "--prefix", *folder_ / "prefix"});
      ASSERT_EQ(result.code, 0) << result.out << result.err;
    }
  }
  static void TearDownTestSuite() { folder_.reset(); }

  void SetUp() override {
    if (folder_ == nullptr) GTEST_SKIP() << "built with a sanitizer";
  }

  // Builds an example against the installed package and runs it.
  static ProcessResult run_example(const std::string& name, const std::vector<std::string>& arguments) {
    const std::string build = *folder_ / name;
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{DLC_TEST_CMAKE, "-S", (source_dir() / "examples" / name).string(), "-B",
                                   build, "-G", "Ninja", "-DCMAKE_PREFIX_PATH=" + (*folder_ / "prefix")},
          {DLC_TEST_CMAKE, "--build", build}}) {
      const ProcessResult result = run_process(command);
      EXPECT_EQ(result.code, 0) << result.out << result.err;
      if (result.code != 0) return result;
    }
    std::vector<std::string> command = {build + "/" + name};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run_process(command);
  }

  static inline std::unique_ptr<TemporaryFolder> folder_;
};

TEST_F(Install, ServesCxxPrograms) {
  const ProcessResult result = run_example("cpp_api", {digits_model(), digit_picture(2)});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "^class 2, probability 0\\.9")) << result.out;
  const ProcessResult bad = run_process({*folder_ / "cpp_api/cpp_api", digit_labels(), digit_picture(2)});
  EXPECT_EQ(bad.code, 1);
  EXPECT_TRUE(matches(bad.err, "labels\\.txt: is not an ONNX model")) << bad.err;
}

TEST_F(Install, TrainsInCxxPrograms) {
  const std::string tuned = *folder_ / "tuned.onnx";
  const ProcessResult result = run_example("training_api", {digits_model(), tuned});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "\nepoch 3: accuracy (1\\.0|0\\.9)")) << result.out;
  std::smatch losses;
  ASSERT_TRUE(std::regex_search(result.out, losses, std::regex("loss (\\S+), after a step (\\S+)\n$")));
  EXPECT_LT(std::stod(losses[2]), std::stod(losses[1]));
  const ProcessResult run =
      run_process({*folder_ / "prefix/bin/dlc-run", tuned, "--input", digit_picture(0)});
  EXPECT_TRUE(matches(run.out, "\\[1, 4\\]")) << run.out << run.err;
}

TEST_F(Install, ServesCPrograms) {
  const ProcessResult result = run_example("c_api", {digits_model()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "^class 7, probability 0\\.9")) << result.out;
  const ProcessResult bad = run_process({*folder_ / "c_api/c_api", "nowhere.onnx"});
  EXPECT_EQ(bad.code, 1);
  EXPECT_TRUE(matches(bad.err, "nowhere\\.onnx: .*No such file")) << bad.err;
}

TEST_F(Install, CompilesModelsInProjectsOfOthers) {
  const ProcessResult result = run_example("compiled_library", {});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "^class 3, probability 0\\.9")) << result.out;
  const ProcessResult needed = run_process({"ldd", *folder_ / "compiled_library/compiled_library"});
  EXPECT_FALSE(matches(needed.out, "dlc|LLVM|stdc")) << needed.out;
}

TEST_F(Install, HasProgramsThatRun) {
  const ProcessResult result = run_process({*folder_ / "prefix/bin/dlc-run", digits_model(), "-q"});
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(Install, HasSelfContainedCHeaders) {
  const std::string include = "-I" + (*folder_ / "prefix/include");
  for (const char* language : {"c", "c++"}) {
    const ProcessResult result =
        run_process({"cc", "-x", language, "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only",
                     include, "-include", "dlc/dlc_c.h", "/dev/null"});
    EXPECT_EQ(result.code, 0) << result.err;
  }
}

}  // namespace
}  // namespace dlc::test
