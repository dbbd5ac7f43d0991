#include "ir/type.h"

#include <fmt/format.h>

namespace dlc::ir {
namespace {

std::string held_tensor_text(const TensorType& type) {
  if (type.ranks == Ranks::kNone) return std::string(name(type.dtype));
  if (type.ranks == Ranks::kAny) return fmt::format("{}[...]", name(type.dtype));
  std::string extents;
  for (const Dim& extent : type.shape) {
    if (!extents.empty()) extents += ", ";
    extents += extent == Dim(kAnyExtent) ? "?" : extent.to_string();
  }
  return fmt::format("{}[{}]", name(type.dtype), extents);
}

std::string type_text(const Type& type) {
  switch (type.kind) {
    case TypeKind::kTensor:
      return held_tensor_text(type.tensor);
    case TypeKind::kSequence:
      return fmt::format("seq({})", type_text(*type.element));
    case TypeKind::kOptional:
      return fmt::format("optional({})", type_text(*type.element));
    case TypeKind::kMap:
      return fmt::format("map({}, {})", name(type.key), type_text(*type.element));
  }
  return {};
}

TensorType join_tensors(const TensorType& a, const TensorType& b) {
  if (a.ranks == Ranks::kNone) return b;
  if (b.ranks == Ranks::kNone) return a;
  bool have_one_rank = a.ranks == Ranks::kOne && b.ranks == Ranks::kOne && a.shape.size() == b.shape.size();
  if (!have_one_rank) return {a.dtype, {}, Ranks::kAny};
  TensorType result = a;
  for (size_t i = 0; i < a.shape.size(); ++i) {
    if (!(a.shape[i] == b.shape[i])) result.shape[i] = kAnyExtent;
  }
  return result;
}

}  // namespace

Type Type::sequence(Type element) {
  Type result;
  result.kind = TypeKind::kSequence;
  result.element = std::make_shared<const Type>(std::move(element));
  return result;
}

Type Type::optional(Type element) {
  Type result = sequence(std::move(element));
  result.kind = TypeKind::kOptional;
  return result;
}

Type Type::map(DType key, Type value) {
  Type result = sequence(std::move(value));
  result.kind = TypeKind::kMap;
  result.key = key;
  return result;
}

bool operator==(const Type& a, const Type& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == TypeKind::kTensor) return a.tensor == b.tensor;
  return a.key == b.key && *a.element == *b.element;
}

std::string to_string(const Type& type) {
  if (type.is_tensor() && type.tensor.ranks == Ranks::kOne)
    return fmt::format("{}{}", name(type.tensor.dtype), to_string(type.tensor.shape));
  return type_text(type);
}

Type held_type(Type type) {
  if (!type.is_tensor()) return type;
  for (Dim& extent : type.tensor.shape) {
    if (!extent.is_constant()) extent = kAnyExtent;
  }
  return type;
}

std::optional<Type> join_held(const Type& a, const Type& b) {
  if (a.kind != b.kind || a.key != b.key) return std::nullopt;
  if (a.is_tensor()) {
    if (a.tensor.dtype != b.tensor.dtype) return std::nullopt;
    return Type(join_tensors(held_type(a).tensor, held_type(b).tensor));
  }
  std::optional<Type> element = join_held(*a.element, *b.element);
  if (!element) return std::nullopt;
  Type result = a;
  result.element = std::make_shared<const Type>(std::move(*element));
  return result;
}

}  // namespace dlc::ir
