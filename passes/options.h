// Switches of the pass pipeline, in one typed table that feeds --help and the documents.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ir/limits.h"

namespace dlc::passes {

// In which the factors of large products are multiplied; their sums and everything else are in float32.
enum class Precision : uint8_t { kFloat32, kBfloat16 };
// "fp32", "bf16". Error(kUsage) with the nearest name for others.
Precision parse_precision(const std::string& name);

struct Options {
  // What the user asks for.
  Precision precision = Precision::kFloat32;                 // --precision
  std::map<std::string, std::vector<int64_t>> input_shapes;  // --shape: fixes dims of an input
  bool exact = false;                                        // --exact: no Winograd
  int64_t max_iterations = ir::kMaxIterations;               // --max-iterations: a longer Loop fails the run
  double weight_growth = 0.55;  // share of all constants by which transformed weights may make them larger
  bool reference =
      false;  // reference compilation: no fusion, naive schedules, double accumulation, all values kept
  // For each output the input whose memory it should be given, or -1; Program::in_place() tells where that
  // may be done (passes/in_place.h).
  std::vector<int> in_place = {};

  // Debugging.
  std::vector<std::string> dump_after;  // pass names, or "all"
  std::string stop_after;               // pass name
  std::vector<std::string> disabled_passes;
  int64_t rewrite_limit = -1;  // rewrites beyond this number are not applied; -1: no limit
  bool verify = false;         // verify after every pass, not only at the stages' ends
  std::function<void(std::string_view pass, const std::string& text)> dump;  // where dumps go
  std::function<void(std::string_view pass, int index, int count)> progress;
};

}  // namespace dlc::passes
