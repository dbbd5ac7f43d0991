#include "tests/models/compiled_case.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "frontend/read_model.h"
#include "tools/difference.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

constexpr double kEnlarged = -4;

std::string write_library(const codegen::CompiledModel& model, const std::string& path) {
  codegen::write_shared_library(model, path, {});
  return path;
}

codegen::CompiledModel compile_model(const fs::path& model) {
  return codegen::compile_to_object(*frontend::read_model(model.string()), {});
}

bool same_type(const Tensor& a, const Tensor& b) { return a.dtype() == b.dtype() && a.shape() == b.shape(); }

}  // namespace

CompiledCase::CompiledCase(const fs::path& model) : CompiledCase(compile_model(model)) {}

CompiledCase::CompiledCase(codegen::CompiledModel model)
    : library_(runtime::load_library(write_library(model, folder_ / "model.so"))),
      program_(codegen::load(std::move(model))) {}

std::vector<Tensor> other_inputs(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> others;
  for (const Tensor& input : inputs) {
    std::vector<double> values;
    for (int64_t i = 0; i < input.size(); ++i) values.push_back(input.get_double(i));
    if (is_float(input.dtype())) {
      std::sort(values.begin(), values.end());
      for (double& value : values) value *= kEnlarged;
    } else {
      std::reverse(values.begin(), values.end());
    }
    Tensor& other = others.emplace_back(input.dtype(), input.shape());
    for (int64_t i = 0; i < input.size(); ++i) other.set_double(i, values[static_cast<size_t>(i)]);
  }
  return others;
}

double least_difference(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double least = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < a.size(); ++i) {
    least = std::min(least, tools::measure_difference(a[i], b[i]).relative);
  }
  return least;
}

std::string distance_fault(const runtime::Program& program, const std::vector<Tensor>& found,
                           const std::vector<Tensor>& expected,
                           const std::function<double(const std::string& output)>& bound) {
  if (found.size() != expected.size()) {
    return fmt::format("{} outputs, expected {}", found.size(), expected.size());
  }
  for (size_t i = 0; i < found.size(); ++i) {
    const std::string& name = program.outputs()[i].name;
    if (!same_type(found[i], expected[i])) {
      return fmt::format("output '{}': is {}{}, expected {}{}", name, onnx_name(found[i].dtype()),
                         found[i].shape(), onnx_name(expected[i].dtype()), expected[i].shape());
    }
    const tools::Difference difference = tools::measure_difference(found[i], expected[i]);
    if (difference.relative <= bound(name)) continue;
    return fmt::format("output '{}': differs by {:.3g} of its largest value, more than {:.3g}", name,
                       difference.relative, bound(name));
  }
  return "";
}

std::string identity_fault(const runtime::Program& program, const std::vector<Tensor>& found,
                           const std::vector<Tensor>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!identical(found[i], expected[i])) {
      return fmt::format("output '{}': is not the same bytes", program.outputs()[i].name);
    }
  }
  return "";
}

}  // namespace dlc::test
