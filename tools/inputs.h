// The values that a model is run with: from files, from pictures, or random.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "runtime/data/image.h"
#include "runtime/program.h"
#include "tools/tool.h"

namespace dlc::tools {

struct InputFlags {
  std::vector<std::string> inputs;  // NAME=FILE, or FILE for a lone input or an .npz
  std::vector<std::string> shapes;
  uint64_t seed = 0;
  std::string image_size;  // WIDTHxHEIGHT or one number
  std::vector<double> mean;
  std::vector<double> std;
  std::string layout;  // nchw, nhwc; "": from the input's shape
  std::string color;   // rgb, bgr, gray; "": from the number of channels
  std::optional<double> range;
};

void add_input_flags(CLI::App& app, InputFlags& flags);

struct InputSet {
  std::vector<Value> values;       // in the model's order
  std::vector<std::string> notes;  // "'x' is random: float[1, 3]"
};

// One value for each input. Error(kUsage, kIo, kData).
InputSet make_inputs(const std::vector<runtime::ValueInfo>& inputs, const InputFlags& flags);

// Normal for floats, 0 or 1 for integers, ones for masks; the same for the same seed.
Tensor random_tensor(DType type, const std::vector<int64_t>& shape, const std::string& name, uint64_t seed);

// "float[batch, 3]", "sequence of float[?, 3]".
std::string describe(const runtime::ValueInfo& value);

}  // namespace dlc::tools
