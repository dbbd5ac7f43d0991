// A model, compiled once and loaded both ways.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "codegen/compile.h"
#include "runtime/program.h"
#include "runtime/tensor.h"
#include "tests/support/temporary_folder.h"

namespace dlc::test {

class CompiledCase {
 public:
  explicit CompiledCase(const std::filesystem::path& model);

  const runtime::Program& program() const { return program_; }  // linked in process
  const runtime::Program& library() const { return library_; }  // the same object as a shared library

 private:
  explicit CompiledCase(codegen::CompiledModel model);

  TemporaryFolder folder_;
  runtime::Program library_;
  runtime::Program program_;
};

// Inputs of the same shapes that differ from these in content and size: floats are sorted and enlarged,
// others reversed.
std::vector<Tensor> other_inputs(const std::vector<Tensor>& inputs);

// The least max|a - b| / max|b| of corresponding outputs.
double least_difference(const std::vector<Tensor>& a, const std::vector<Tensor>& b);

// Faults, "" where there is none: of an output that is further away than its bound, or not the same bytes.
std::string distance_fault(const runtime::Program& program, const std::vector<Tensor>& found,
                           const std::vector<Tensor>& expected,
                           const std::function<double(const std::string& output)>& bound);
std::string identity_fault(const runtime::Program& program, const std::vector<Tensor>& found,
                           const std::vector<Tensor>& expected);

}  // namespace dlc::test
