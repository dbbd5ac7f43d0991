// Types of graph values: tensors with symbolic shapes, sequences, optionals and maps (ONNX IR specification).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ir/dim.h"
#include "runtime/dtype.h"

namespace dlc::ir {

// What is known of the ranks of the tensors that a sequence, an optional or a map may hold.
enum class Ranks : uint8_t {
  kOne,   // the rank of the shape; of every tensor that is a value of its own
  kAny,   // tensors of several ranks, or of one that nobody has said
  kNone,  // no tensor so far: joins with every other
};

struct TensorType {
  DType dtype = DType::kUndefined;
  // Extents may be symbolic. Inside a sequence, optional or map an extent is a number, or kAnyExtent: its
  // tensors have shapes of their own.
  Shape shape = {};
  Ranks ranks = Ranks::kOne;

  friend bool operator==(const TensorType&, const TensorType&) = default;
};

inline constexpr int64_t kAnyExtent = -1;

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
// "f32[batch, 10]", "seq(f32[?, 3])", "seq(f32[...])" for any rank, "seq(f32)" for none, "map(str, f32[])"
std::string to_string(const Type& type);

// `type` as the type of something held in a sequence, optional or map.
Type held_type(Type type);
// The least type of what both types hold; nothing where their kinds or element types differ.
std::optional<Type> join_held(const Type& a, const Type& b);

}  // namespace dlc::ir
