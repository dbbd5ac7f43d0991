// Times of repeated runs.
#pragma once

#include <string>
#include <vector>

#include "runtime/program.h"
#include "tools/model_source.h"

namespace dlc::tools {

struct BenchOptions {
  double seconds = 1;
  int warmup = 2;
  int threads = 0;
};

struct BenchResult {
  double min_ms = 0;
  double median_ms = 0;
  double p99_ms = 0;
  double compile_ms = 0;    // reading and compiling; 0 for a library
  double load_ms = 0;       // from the file to the first answer
  double first_run_ms = 0;  // the first answer alone
  double peak_rss_mb = 0;
  double arena_mb = 0;
  int threads = 0;
  int64_t runs = 0;
};

// Outputs that may be given the memory of an input are (Program::in_place): such inputs change.
BenchResult run_bench(const LoadedModel& model, const std::vector<Value>& inputs,
                      const BenchOptions& options);
std::string format_json(const BenchResult& result);  // on one line
std::string format_text(const BenchResult& result);

}  // namespace dlc::tools
