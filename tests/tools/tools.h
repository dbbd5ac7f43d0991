// The programs of the build, run on the digits example.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

namespace dlc::test {

inline std::string digits_model() { return (source_dir() / "examples/digits/digits.onnx").string(); }
inline std::string digit_picture(int digit) {
  return (source_dir() / "examples/digits/images" / (std::to_string(digit) + ".png")).string();
}
inline std::string digit_labels() { return (source_dir() / "examples/digits/labels.txt").string(); }

// Runs "dlc-compile" or "dlc-run" with these arguments.
ProcessResult run_tool(const std::string& tool, const std::vector<std::string>& arguments,
                       const ProcessOptions& options = {});

// Compiles the digits model to `file`; the test fails where that does.
void compile_digits(const std::string& file, const std::vector<std::string>& flags = {});

// Checks an exit code, that the message on standard error matches a regular expression (letter case counts)
// and is one line with the program's name, and that nothing else was said.
void expect_fault(const ProcessResult& result, int code, const std::string& pattern);

std::string read_text(const std::string& file);
bool matches(const std::string& text, const std::string& pattern);  // somewhere in it

}  // namespace dlc::test
