#include "tools/bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/error.h"

namespace dlc::tools {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Of this process alone: getrusage() counts what the one that started it took before as well.
double peak_rss_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) * 1024 / 1e6;
  }
  return 0;
}

double quantile(const std::vector<double>& sorted, double q) {
  const auto index = static_cast<size_t>(q * static_cast<double>(sorted.size()));
  return sorted[std::min(index, sorted.size() - 1)];
}

}  // namespace

BenchResult run_bench(const LoadedModel& model, const std::vector<Value>& inputs,
                      const BenchOptions& options) {
  const Clock::time_point loading = Clock::now();
  runtime::Context context(model.program, {.threads = options.threads});
  const runtime::BorderValues given(inputs);
  const auto run = [&] {
    std::vector<dlc_tensor> outputs(model.program.outputs().size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (std::optional<size_t> input = model.program.in_place(i)) outputs[i] = given.tensors()[*input];
    }
    const Clock::time_point start = Clock::now();
    context.run(given.tensors(), outputs);
    return ms_since(start);
  };
  BenchResult result;
  result.first_run_ms = run();
  result.compile_ms = model.compile_ms;
  result.load_ms = model.load_ms + ms_since(loading);
  for (int i = 0; i < options.warmup; ++i) run();
  constexpr size_t kFewestRuns = 5;
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  while (times.size() < kFewestRuns || ms_since(start) < 1e3 * options.seconds) times.push_back(run());
  std::sort(times.begin(), times.end());
  result.min_ms = times.front();
  result.median_ms = quantile(times, 0.5);
  result.p99_ms = quantile(times, 0.99);
  result.peak_rss_mb = peak_rss_mb();
  result.arena_mb = static_cast<double>(context.arena_bytes()) / 1e6;
  result.threads = context.threads();
  result.runs = static_cast<int64_t>(times.size());
  return result;
}

std::string format_json(const BenchResult& r) {
  const auto rounded = [](double value) { return std::round(value * 1e4) / 1e4; };
  const nlohmann::ordered_json json = {{"min_ms", rounded(r.min_ms)},
                                       {"median_ms", rounded(r.median_ms)},
                                       {"p99_ms", rounded(r.p99_ms)},
                                       {"compile_ms", rounded(r.compile_ms)},
                                       {"load_ms", rounded(r.load_ms)},
                                       {"first_run_ms", rounded(r.first_run_ms)},
                                       {"peak_rss_mb", rounded(r.peak_rss_mb)},
                                       {"arena_mb", rounded(r.arena_mb)},
                                       {"threads", r.threads},
                                       {"runs", r.runs}};
  return json.dump();
}

std::string format_text(const BenchResult& r) {
  return fmt::format(
      "min {:.3f} ms  median {:.3f} ms  p99 {:.3f} ms  ({} runs, {} threads)\n"
      "compile {:.0f} ms  load to first answer {:.0f} ms  first run {:.2f} ms  peak RSS {:.0f} MB  arena "
      "{:.1f} MB\n",
      r.min_ms, r.median_ms, r.p99_ms, r.runs, r.threads, r.compile_ms, r.load_ms, r.first_run_ms,
      r.peak_rss_mb, r.arena_mb);
}

}  // namespace dlc::tools
