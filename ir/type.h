// Types of graph values: tensors with symbolic shapes, sequences, optionals and maps (ONNX IR specification).
#pragma once

#include <memory>
#include <string>

#include "ir/dim.h"
#include "runtime/dtype.h"

namespace dlc::ir {

struct TensorType {
  DType dtype = DType::kUndefined;
  Shape shape;  // the rank of a tensor is always known; extents may be symbolic

  friend bool operator==(const TensorType&, const TensorType&) = default;
};

enum class TypeKind : uint8_t { kTensor, kSequence, kOptional, kMap };

struct Type {
  TypeKind kind = TypeKind::kTensor;
  TensorType tensor;              // kTensor
  DType key = DType::kUndefined;  // kMap
  std::shared_ptr<const Type>
      element;  // kSequence, kOptional, kMap's value; shared because types are copied freely

  Type() = default;
  Type(TensorType type) : tensor(std::move(type)) {}  // NOLINT: a tensor type is a type
  Type(DType dtype, Shape shape) : tensor{dtype, std::move(shape)} {}
  static Type sequence(Type element);
  static Type optional(Type element);
  static Type map(DType key, Type value);

  bool is_tensor() const { return kind == TypeKind::kTensor; }
};

bool operator==(const Type& a, const Type& b);
std::string to_string(const Type& type);  // "f32[batch, 10]", "seq(f32[n])", "map(str, f32[])"

}  // namespace dlc::ir
