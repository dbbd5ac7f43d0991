// What make_fixtures.py has recorded of PyTorch.
#pragma once

#include <map>
#include <string>

#include "runtime/tensor.h"

namespace dlc::test {

class Recording {
 public:
  // Of the folder fixtures/, without ".safetensors".
  explicit Recording(const std::string& name);

  const Tensor& at(const std::string& name) const;  // fails where there is none
  // Those whose names begin like this, by the rest of their names.
  std::map<std::string, Tensor> below(const std::string& prefix) const;

 private:
  std::map<std::string, Tensor> tensors_;
};

std::string fixture(const std::string& file);  // its path

// Fails where a difference is above `tolerance` of the largest magnitude expected.
void expect_near(const Tensor& found, const Tensor& expected, double tolerance, const std::string& what);

}  // namespace dlc::test
