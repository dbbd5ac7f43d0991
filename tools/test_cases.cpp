#include "tools/test_cases.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <new>

#include <fmt/format.h>

#include "frontend/read_model.h"
#include "runtime/error.h"
#include "tools/child_process.h"

namespace dlc::tools {
namespace {

namespace fs = std::filesystem;

bool is_case(const fs::path& folder) { return fs::is_regular_file(folder / "model.onnx"); }

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

void collect_cases(const fs::path& folder, int depth, std::vector<std::string>& out) {
  if (is_case(folder)) {
    out.push_back(folder.string());
    return;
  }
  if (depth == 0) return;
  for (const fs::path& entry : sorted_entries(folder)) {
    if (fs::is_directory(entry)) collect_cases(entry, depth - 1, out);
  }
}

void run_set(runtime::Context& context, const runtime::Program& program, const fs::path& set,
             const Tolerance& tolerance) {
  const std::vector<Value> expected = read_values(set, "output", kinds_of(program.outputs()));
  const std::vector<Value> outputs =
      context.run_values(read_values(set, "input", kinds_of(program.inputs())));
  if (outputs.size() != expected.size()) {
    fail(ErrorKind::kData, "the model has {} outputs, the set holds {}", outputs.size(), expected.size());
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (const auto difference = first_difference(outputs[i], expected[i], tolerance)) {
      fail(ErrorKind::kData, "output '{}' {}", program.outputs()[i].name, *difference);
    }
  }
}

void run_case(const std::string& folder, const CaseOptions& options) {
  const Tolerance tolerance = tolerance_of(folder, options.tolerance);
  const std::unique_ptr<ir::Graph> graph = frontend::read_model((fs::path(folder) / "model.onnx").string());
  const runtime::Program program = codegen::compile(*graph, options.compile);
  runtime::Context context(program, {.threads = options.threads});
  int sets = 0;
  for (const fs::path& entry : sorted_entries(folder)) {
    if (!entry.filename().string().starts_with("test_data_set_")) continue;
    try {
      run_set(context, program, entry, tolerance);
    } catch (Error& error) {
      throw error.add_context(entry.filename().string());
    }
    ++sets;
  }
  if (sets == 0) fail(ErrorKind::kData, "has no test_data_set_*");
}

}  // namespace

std::vector<ValueKind> kinds_of(const std::vector<runtime::ValueInfo>& infos) {
  std::vector<ValueKind> kinds;
  for (const runtime::ValueInfo& info : infos) kinds.push_back(info.kind);
  return kinds;
}

std::vector<Value> read_values(const fs::path& set, const std::string& role,
                               const std::vector<ValueKind>& kinds) {
  std::vector<Value> values;
  for (size_t i = 0;; ++i) {
    const fs::path file = set / fmt::format("{}_{}.pb", role, i);
    if (!fs::exists(file)) return values;
    values.push_back(
        frontend::read_value_proto(file.string(), i < kinds.size() ? kinds[i] : ValueKind::kTensor));
  }
}

Tolerance tolerance_of(const fs::path& folder, Tolerance otherwise) {
  std::ifstream file(folder / "tolerance.txt");
  Tolerance own;
  if (!file) return otherwise;
  if (!(file >> own.rtol >> own.atol)) {
    fail(ErrorKind::kData, "tolerance.txt: expected two numbers, rtol and atol");
  }
  return own;
}

std::string fault_of(const std::function<void()>& run) {
  try {
    run();
    return "";
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return text.empty() ? "unknown fault" : text;
  }
}

std::vector<std::string> find_cases(const std::vector<std::string>& folders) {
  constexpr int kDepth = 3;
  std::vector<std::string> cases;
  for (const std::string& folder : folders) {
    if (!fs::is_directory(folder)) fail(ErrorKind::kUsage, "--test: '{}' is no folder", folder);
    const size_t before = cases.size();
    collect_cases(fs::path(folder).lexically_normal(), kDepth, cases);
    if (cases.size() == before) fail(ErrorKind::kUsage, "--test: '{}' holds no model.onnx", folder);
  }
  return cases;
}

std::vector<CaseResult> run_cases(const std::vector<std::string>& cases, const CaseOptions& options,
                                  const std::function<void(const CaseResult&)>& report) {
  std::vector<CaseResult> results(cases.size());
  const auto finish = [&](size_t i, const std::string& reason) {
    results[i] = {cases[i], reason.empty(), reason};
    report(results[i]);
  };
  if (!options.isolate) {
    for (size_t i = 0; i < cases.size(); ++i) finish(i, fault_of([&] { run_case(cases[i], options); }));
    return results;
  }
  run_in_processes(
      cases.size(), options.jobs, options.timeout_seconds,
      [&](size_t i) { return fault_of([&] { run_case(cases[i], options); }); }, finish);
  return results;
}

}  // namespace dlc::tools
