// Values of C++ programs as those of the C border, and back.
#pragma once

#include <list>
#include <memory>
#include <vector>

#include "runtime/model/types.h"
#include "runtime/value.h"

namespace dlc::runtime {

// A view of a tensor's memory for the C border. `shape` must outlive it and the tensor must not be of
// strings.
dlc_tensor border_tensor(const Tensor& tensor);

// Values for the C border. They point into the tensors of what they were made from, which must outlive them.
class BorderValues {
 public:
  explicit BorderValues(const std::vector<Value>& values);
  explicit BorderValues(const std::vector<Tensor>& tensors);
  BorderValues(const BorderValues&) = delete;
  BorderValues& operator=(const BorderValues&) = delete;
  const std::vector<dlc_tensor>& tensors() const { return tensors_; }

 private:
  void add(const Value& value);
  dlc_tensor tensor(const Tensor& tensor);
  dlc_value value(const Value& value);

  std::vector<dlc_tensor> tensors_;
  std::list<std::vector<dlc_string>> strings_;
  std::list<std::vector<dlc_value>> values_;
};

// A copy of an output.
Value value_from_border(const dlc_value_info& info, const dlc_tensor& tensor);

}  // namespace dlc::runtime
