#include "ir/type.h"

#include <fmt/format.h>

namespace dlc::ir {

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
  switch (type.kind) {
    case TypeKind::kTensor:
      return fmt::format("{}{}", name(type.tensor.dtype), to_string(type.tensor.shape));
    case TypeKind::kSequence:
      return fmt::format("seq({})", to_string(*type.element));
    case TypeKind::kOptional:
      return fmt::format("optional({})", to_string(*type.element));
    case TypeKind::kMap:
      return fmt::format("map({}, {})", name(type.key), to_string(*type.element));
  }
  return {};
}

}  // namespace dlc::ir
