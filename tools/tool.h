// What the programs have in common: exit codes, messages, flags of several programs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "passes/options.h"

namespace dlc::tools {

// 0: done, 1: the model or data is at fault, 2: the command line is.
constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

// Parses the command line and calls `run`, whose result is the exit code. Whatever goes wrong becomes one
// message on standard error and an exit code.
int run_tool(CLI::App& app, int argc, char** argv, const std::function<int()>& run);

// "1x3x224x224", "?" for a dim that stays symbolic. Error(kUsage).
std::vector<int64_t> parse_shape(const std::string& text);

// For numbers of flags: messages of its own, because CLI11's spell out the limits of the type.
CLI::Validator at_least(int64_t minimum);

// "--shape NAME=1x3x224x224", or without name for the first input: then the key is "".
using Shapes = std::map<std::string, std::vector<int64_t>>;
Shapes parse_shapes(const std::vector<std::string>& flags);

// The switches of the pass pipeline.
void add_pass_flags(CLI::App& app, passes::Options& options, std::string& dump_dir);
// Dumps go to standard error, or to numbered files of a folder.
void set_dump_target(passes::Options& options, const std::string& folder);

// With the folders above it; nothing where it exists. Error(kIo).
void make_folder(const std::string& folder);

// "12.3 MB".
std::string format_bytes(int64_t bytes);

}  // namespace dlc::tools
