// Running programs as a user does.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace dlc::test {

struct ProcessResult {
  int code = -1;    // exit code; 128 + the signal where one ended it
  std::string out;  // standard output
  std::string err;  // standard error
};

struct ProcessOptions {
  std::filesystem::path folder = ".";  // to run in
  bool terminal = false;               // standard error is a terminal
  int timeout_seconds = 120;           // killed then
};

// `command[0]` is searched for in PATH unless it holds a slash.
ProcessResult run_process(const std::vector<std::string>& command, const ProcessOptions& options = {});

}  // namespace dlc::test
