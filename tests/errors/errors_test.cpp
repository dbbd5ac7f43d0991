// Small models with one fault each, and legal ones that look like faults (make_error_cases.py): reading,
// compiling and running them.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "runtime/error.h"
#include "runtime/program.h"
#include "tools/difference.h"
#include "tools/test_cases.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> case_names(const std::string& kind) {
  std::vector<std::string> names;
  for (const fs::path folder : tools::find_cases({(fs::path(DLC_TEST_ERROR_CASES) / kind).string()})) {
    names.push_back(folder.filename().string());
  }
  return names;
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::ifstream stream(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::unique_ptr<ir::Graph> read(const fs::path& folder) {
  return frontend::read_model((folder / "model.onnx").string());
}

// The values of a case that are inputs or outputs of its program.
std::vector<Value> values(const fs::path& folder, const std::string& role,
                          const std::vector<runtime::ValueInfo>& infos) {
  return tools::read_values(folder / "test_data_set_0", role, tools::kinds_of(infos));
}

runtime::Program compile(const fs::path& folder) { return codegen::compile(*read(folder), {}); }

std::vector<Value> compute(const runtime::Program& program, const fs::path& folder) {
  return runtime::Context(program).run_values(values(folder, "input", program.inputs()));
}

// Calls `work`, which must throw an Error that is no bug of ours and says all that the case expects.
template <class Work>
void expect_error(const fs::path& folder, Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_NE(error.kind(), ErrorKind::kInternal) << error.what();
    for (const std::string& pattern : lines_of(folder / "expect.txt")) {
      EXPECT_TRUE(std::regex_search(error.what(), std::regex(pattern, std::regex::icase)))
          << "message: " << error.what() << "\nexpected: " << pattern;
    }
    return;
  }
  FAIL() << "there is no error";
}

class ErrorCase : public testing::TestWithParam<std::string> {
 protected:
  static fs::path folder(const char* kind) { return fs::path(DLC_TEST_ERROR_CASES) / kind / GetParam(); }
};

class BadModel : public ErrorCase {};
class BadData : public ErrorCase {};
class GoodModel : public ErrorCase {};

TEST_P(BadModel, IsRefused) {
  expect_error(folder("bad"), [&] { read(folder("bad")); });
}

TEST_P(BadData, IsRefused) {
  expect_error(folder("bad_data"), [&] { compute(compile(folder("bad_data")), folder("bad_data")); });
}

TEST_P(GoodModel, Computes) {
  const runtime::Program program = compile(folder("good"));
  const std::vector<Value> expected = values(folder("good"), "output", program.outputs());
  const std::vector<Value> found = compute(program, folder("good"));
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(tools::first_difference(found[i], expected[i], {}), std::nullopt) << "output " << i;
  }
}

std::string case_name(const testing::TestParamInfo<std::string>& info) { return info.param; }
INSTANTIATE_TEST_SUITE_P(Errors, BadModel, testing::ValuesIn(case_names("bad")), case_name);
INSTANTIATE_TEST_SUITE_P(Errors, BadData, testing::ValuesIn(case_names("bad_data")), case_name);
INSTANTIATE_TEST_SUITE_P(Errors, GoodModel, testing::ValuesIn(case_names("good")), case_name);

}  // namespace
}  // namespace dlc::test
