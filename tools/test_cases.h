// ONNX test cases: folders with model.onnx and test_data_set_*/{input,output}_*.pb.
#pragma once

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

// The folders of cases in `folders`: each itself, or those below it. Error(kUsage) for one that holds none.
std::vector<std::string> find_cases(const std::vector<std::string>& folders);

// Results in the order of the cases; `report` is called with each as soon as those before it are done.
std::vector<CaseResult> run_cases(const std::vector<std::string>& cases, const CaseOptions& options,
                                  const std::function<void(const CaseResult&)>& report);

}  // namespace dlc::tools
