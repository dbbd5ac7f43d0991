// Cases of operators: cases/<family>.txt, filled with expected values by fill_cases.py.
//
//   == name
//   oracle: onnxruntime     what gave the expected values: onnxruntime, reference (of ONNX), or by hand
//   tolerance: 1e-5 1e-6    relative, absolute; 1e-5 and 1e-6 unless said
//   fails: text             instead of outputs: the run fails, and its message holds this
//   g (float[2] x) => (float[2] y) { y = Relu(x) }     ONNX's text form; opset 17 unless said
//   < float[2] 1 -2         an input of the model, in order; "pattern" instead of numbers: see pattern()
//   > float[2] 1 0          an expected output
//
// Other values: string[2] "a" "b c"; sequence float[1] 1 | float[2] 2 3; optional; optional float[1] 1;
// map int64[2] 1 2 => float[2] 0.5 0.25. A sequence of maps: sequence map ... | map ...
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/value.h"
#include "tools/difference.h"

namespace dlc::test {

struct OperatorCase {
  std::string name;
  std::string model;
  std::string fails;
  tools::Tolerance tolerance{1e-5, 1e-6};
  std::vector<Value> inputs;
  std::vector<Value> outputs;
};

std::vector<OperatorCase> read_operator_cases(const std::filesystem::path& file);

// Element i of an input given as "pattern".
double pattern(int64_t i);

}  // namespace dlc::test
