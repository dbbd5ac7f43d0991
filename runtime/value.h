// Value: what an input or output of a model may be: a tensor, a sequence, an optional or a map.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/tensor.h"

namespace dlc {

enum class ValueKind : uint8_t { kTensor, kSequence, kOptional, kMap };

class Value {
 public:
  Value() = default;
  Value(Tensor tensor) : tensor_(std::move(tensor)) {}  // NOLINT: a tensor is a value
  static Value sequence(std::vector<Value> elements);
  static Value optional();
  static Value optional(Value element);
  // Keys are integers or strings of rank 1; values[i] belongs to keys[i]. Error(kData) where they do not fit.
  static Value map(Tensor keys, Tensor values);

  ValueKind kind() const { return kind_; }
  bool is_tensor() const { return kind_ == ValueKind::kTensor; }
  const Tensor& tensor() const;                // Error(kData) unless it is one
  const std::vector<Value>& elements() const;  // of a sequence, or of an optional: none or one
  const Tensor& keys() const;                  // of a map
  const Tensor& values() const;                // of a map

 private:
  void require(bool is_so, const char* what) const;

  ValueKind kind_ = ValueKind::kTensor;
  Tensor tensor_;  // of a map: its values
  Tensor keys_;
  std::vector<Value> elements_;
};

// "float[2, 3]", "sequence of 2: float[2], float[3]", "optional without element", "map of 3".
std::string describe(const Value& value);

}  // namespace dlc
