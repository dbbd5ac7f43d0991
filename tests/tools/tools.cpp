#include "tests/tools/tools.h"

#include <regex>

#include "runtime/data/files.h"

namespace dlc::test {

ProcessResult run_tool(const std::string& tool, const std::vector<std::string>& arguments,
                       const ProcessOptions& options) {
  std::vector<std::string> command = {program(tool).string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_process(command, options);
}

void compile_digits(const std::string& file, const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {digits_model(), "-o", file};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  const ProcessResult result = run_tool("dlc-compile", arguments);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
}

void expect_fault(const ProcessResult& result, int code, const std::string& pattern) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(matches(result.err, "^dlc-[a-z]+: error: [^\n]+\n$")) << result.err;
  EXPECT_TRUE(matches(result.err, pattern)) << result.err << "expected: " << pattern;
}

std::string read_text(const std::string& file) { return data::read_file(file); }

bool matches(const std::string& text, const std::string& pattern) {
  return std::regex_search(text, std::regex(pattern));
}

}  // namespace dlc::test
