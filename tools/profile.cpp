#include "tools/profile.h"

#include <algorithm>
#include <chrono>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/data/files.h"
#include "runtime/error.h"

namespace dlc::tools {
namespace {

using runtime::KernelTime;

double total_us(const std::vector<KernelTime>& times) {
  double total = 0;
  for (const KernelTime& time : times) total += time.duration_us;
  return total;
}

// Work per second, in units of 10^9; -1: unknown.
double rate(int64_t work, double us) {
  return work < 0 || us <= 0 ? -1 : static_cast<double>(work) / us / 1e3;
}

std::string format_rate(double value) { return value < 0 ? "-" : fmt::format("{:.1f}", value); }

struct Row {
  std::string name;
  std::string origin;
  int64_t calls = 0;
  double us = 0;
  int64_t flops = 0;
  int64_t bytes = 0;
};

// Of all calls; -1: unknown.
int64_t total_work(int64_t of_one_call, int64_t calls) { return of_one_call < 0 ? -1 : of_one_call * calls; }

void add_work(int64_t& sum, int64_t work) { sum = sum < 0 || work < 0 ? -1 : sum + work; }

}  // namespace

std::vector<KernelTime> measure_kernels(const runtime::Program& program, const std::vector<Value>& inputs,
                                        int threads, double seconds) {
  runtime::Context context(program, {.threads = threads});
  context.run_values(inputs);
  if (context.kernel_times().empty()) {
    fail(ErrorKind::kUsage, "--profile: the library was compiled without --profile");
  }
  std::vector<KernelTime> best;
  const auto start = std::chrono::steady_clock::now();
  do {
    context.run_values(inputs);
    std::vector<KernelTime> times = context.kernel_times();
    if (best.empty() || total_us(times) < total_us(best)) best = std::move(times);
  } while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds);
  return best;
}

std::string format_trace(const std::string& model, const std::vector<KernelTime>& times) {
  nlohmann::ordered_json events = nlohmann::ordered_json::array();
  events.push_back({{"name", "process_name"}, {"ph", "M"}, {"pid", 1}, {"args", {{"name", model}}}});
  for (const KernelTime& time : times) {
    if (time.calls == 0) continue;
    nlohmann::ordered_json args = {{"origin", time.origin}, {"calls", time.calls}};
    const int64_t flops = total_work(time.flops, time.calls);
    const int64_t bytes = total_work(time.bytes, time.calls);
    if (flops >= 0) args["flops"] = flops;
    if (bytes >= 0) args["bytes"] = bytes;
    if (const double value = rate(flops, time.duration_us); value >= 0) args["GFLOP/s"] = value;
    if (const double value = rate(bytes, time.duration_us); value >= 0) args["GB/s"] = value;
    events.push_back({{"name", time.name},
                      {"cat", "kernel"},
                      {"ph", "X"},
                      {"ts", time.start_us},
                      {"dur", time.duration_us},
                      {"pid", 1},
                      {"tid", 1},
                      {"args", args}});
  }
  const nlohmann::ordered_json trace = {{"displayTimeUnit", "ms"}, {"traceEvents", events}};
  return trace.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string format_table(const std::vector<KernelTime>& times, size_t rows) {
  std::map<std::pair<std::string, std::string>, Row> by_origin;
  int64_t calls = 0;
  for (const KernelTime& time : times) {
    if (time.calls == 0) continue;
    Row& row = by_origin[{time.name, time.origin}];
    row.name = time.name;
    row.origin = time.origin;
    row.calls += time.calls;
    row.us += time.duration_us;
    add_work(row.flops, total_work(time.flops, time.calls));
    add_work(row.bytes, total_work(time.bytes, time.calls));
    calls += time.calls;
  }
  std::vector<Row> sorted;
  for (auto& [key, row] : by_origin) sorted.push_back(row);
  std::stable_sort(sorted.begin(), sorted.end(), [](const Row& a, const Row& b) { return a.us > b.us; });
  const double total = std::max(total_us(times), 1e-9);
  std::string text = fmt::format("{:>10} {:>6} {:>5} {:>8} {:>7}  {}\n", "us", "%", "calls", "GFLOP/s",
                                 "GB/s", "kernel (origin)");
  for (size_t i = 0; i < std::min(rows, sorted.size()); ++i) {
    const Row& row = sorted[i];
    text +=
        fmt::format("{:>10.1f} {:>6.1f} {:>5} {:>8} {:>7}  {}{}\n", row.us, 100 * row.us / total, row.calls,
                    format_rate(rate(row.flops, row.us)), format_rate(rate(row.bytes, row.us)), row.name,
                    row.origin.empty() || row.origin == row.name ? "" : fmt::format(" ({})", row.origin));
  }
  if (sorted.size() > rows) text += fmt::format("{:>10}  and {} more\n", "", sorted.size() - rows);
  return text + fmt::format("{:>10.1f}  in all, {} kernel calls\n", total, calls);
}

void write_profile(const runtime::Program& program, const std::vector<Value>& inputs, int threads,
                   double seconds, const std::string& file) {
  const std::vector<runtime::KernelTime> times = measure_kernels(program, inputs, threads, seconds);
  data::write_file(file, format_trace(program.name(), times));
  fmt::print("{}", format_table(times));
}

}  // namespace dlc::tools
