// ONNX test cases: folders with model.onnx and test_data_set_*/{input,output}_*.pb.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "codegen/compile.h"
#include "tools/difference.h"

namespace dlc::tools {

struct CaseOptions {
  Tolerance tolerance;  // a case's tolerance.txt ("rtol atol") wins
  codegen::CompileOptions compile;
  int threads = 0;
  bool isolate = true;  // a process for each case, so that a crash is a failed case
  int jobs = 1;         // processes at a time
  int timeout_seconds = 600;
};

struct CaseResult {
  std::string name;
  bool passed = false;
  std::string reason;  // of a failure
};

std::vector<ValueKind> kinds_of(const std::vector<runtime::ValueInfo>& infos);
// The values role_0.pb, role_1.pb, ... of a data set, in the order of their numbers. Files beyond `kinds`
// hold tensors.
std::vector<Value> read_values(const std::filesystem::path& set, const std::string& role,
                               const std::vector<ValueKind>& kinds);
// What the folder's tolerance.txt says; `otherwise` where it has none. Error(kData).
Tolerance tolerance_of(const std::filesystem::path& folder, Tolerance otherwise);

// "" when `run` returns, else what its exception says: never empty.
std::string fault_of(const std::function<void()>& run);

// The folders of cases in `folders`: each itself, or those below it. Error(kUsage) for one that holds none.
std::vector<std::string> find_cases(const std::vector<std::string>& folders);

// Results in the order of the cases; `report` is called with each as soon as those before it are done.
std::vector<CaseResult> run_cases(const std::vector<std::string>& cases, const CaseOptions& options,
                                  const std::function<void(const CaseResult&)>& report);

}  // namespace dlc::tools
