// Every intermediate value of a model against reference compilation: no fusion, naive schedules, double
// accumulation.
#pragma once

#include <string>
#include <vector>

#include "codegen/compile.h"
#include "tools/difference.h"
#include "tools/inputs.h"

namespace dlc::tools {

struct ComparedValue {
  std::string name;
  std::string node;  // that gives it: "Conv 'conv1' (output 'x')"
  Difference difference;
  std::string mismatch;  // of type or shape; else ""
};

struct Comparison {
  std::vector<ComparedValue> values;  // in order of evaluation; the outputs of the whole program last
  double tolerance = 1e-4;            // of max|difference| / max|reference|
  std::vector<std::string> notes;
};

Comparison compare_model(const std::string& path, const InputFlags& inputs,
                         const codegen::CompileOptions& options, int threads, double tolerance);

bool agrees(const ComparedValue& value, double tolerance);
// The values that do not agree, the first of them named as such, and a summary.
std::string format_comparison(const Comparison& comparison, bool all);

}  // namespace dlc::tools
