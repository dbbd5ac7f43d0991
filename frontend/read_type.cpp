#include "frontend/read_type.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "runtime/error.h"

namespace dlc::frontend {
namespace {

constexpr int32_t kLastDType = static_cast<int32_t>(DType::kInt2);
constexpr int kMaxTypeDepth = 16;
constexpr int kMaxRank = 64;

ir::Dim read_dim(const onnx::TensorShapeProto::Dimension& dim, const std::string& name, int axis,
                 const TypeScope& scope) {
  if (dim.has_dim_value()) {
    if (dim.dim_value() < 0) {
      fail(ErrorKind::kModel, "'{}': dim {} is {}; expected 0 or more, or a name. Fix it with --shape {}=...",
           name, axis, dim.dim_value(), name);
    }
    return dim.dim_value();
  }
  if (dim.has_dim_param() && !dim.dim_param().empty()) {
    return scope.symbols.named(scope.graph, dim.dim_param(), scope.is_input);
  }
  ir::SymbolInfo info;
  info.from_input = scope.is_input;
  return scope.graph.fresh_symbol(symbol_text(fmt::format("{}_dim{}", name, axis)), info);
}

// Known extents multiply to a size that fits: shapes are trusted inside.
void check_size(const ir::TensorType& type, const std::string& name) {
  int64_t product = 1;
  for (const ir::Dim& dim : type.shape) {
    if (!dim.is_constant() || dim.value() == 0) continue;
    if (__builtin_mul_overflow(product, dim.value(), &product) || product > INT64_MAX / 16) {
      fail(ErrorKind::kModel, "'{}': the number of elements of {} overflows", name,
           ir::to_string(ir::Type(type)));
    }
  }
}

template <class TensorTypeProto>
ir::Type read_tensor_type(const TensorTypeProto& type, const std::string& name, const TypeScope& scope) {
  ir::TensorType result;
  result.dtype = read_dtype(type.elem_type(), fmt::format("element type of '{}'", name));
  if (!type.has_shape()) {
    fail(ErrorKind::kModel, "'{}' has no shape; fix it with --shape {}=...", name, name);
  }
  if (type.shape().dim_size() > kMaxRank) {
    fail(ErrorKind::kModel, "'{}' has rank {}; the limit is {}", name, type.shape().dim_size(), kMaxRank);
  }
  for (int i = 0; i < type.shape().dim_size(); ++i) {
    result.shape.push_back(read_dim(type.shape().dim(i), name, i, scope));
  }
  check_size(result, name);
  return result;
}

// A tensor in a sequence, an optional or a map: any extent that is no number may differ from one to the next.
template <class TensorTypeProto>
ir::Type read_held_tensor(const TensorTypeProto& type, const std::string& name) {
  ir::TensorType result;
  result.dtype = read_dtype(type.elem_type(), fmt::format("element type of '{}'", name));
  if (!type.has_shape()) result.ranks = ir::Ranks::kAny;
  if (type.shape().dim_size() > kMaxRank) {
    fail(ErrorKind::kModel, "'{}' has rank {}; the limit is {}", name, type.shape().dim_size(), kMaxRank);
  }
  for (const auto& dim : type.shape().dim()) {
    bool is_known = dim.has_dim_value() && dim.dim_value() >= 0;
    result.shape.emplace_back(is_known ? dim.dim_value() : ir::kAnyExtent);
  }
  if (std::find(result.shape.begin(), result.shape.end(), ir::Dim(ir::kAnyExtent)) == result.shape.end())
    check_size(result, name);
  return result;
}

ir::Type read_held(const onnx::TypeProto& type, const std::string& name, int depth);

ir::Type read_map(const onnx::TypeProto::Map& type, const std::string& name, int depth) {
  DType key = read_dtype(type.key_type(), fmt::format("key type of '{}'", name));
  if (key != DType::kString && !is_integer(key)) {
    fail(ErrorKind::kModel, "the keys of '{}' are {}; expected integers or strings", name, onnx_name(key));
  }
  ir::Type value = read_held(type.value_type(), name, depth + 1);
  // Values without shape are scalars: exporters leave it out.
  if (value.is_tensor() && value.tensor.ranks == ir::Ranks::kAny) value = ir::Type(value.tensor.dtype, {});
  if (!value.is_tensor() || !value.tensor.shape.empty()) {
    fail(ErrorKind::kModel, "the values of the map '{}' are {}; expected scalars", name,
         ir::to_string(value));
  }
  return ir::Type::map(key, std::move(value));
}

// A type that holds others; nothing for a tensor.
std::optional<ir::Type> read_holder(const onnx::TypeProto& type, const std::string& name, int depth) {
  if (depth > kMaxTypeDepth) fail(ErrorKind::kModel, "the type of '{}' nests too deeply", name);
  switch (type.value_case()) {
    case onnx::TypeProto::kSequenceType:
      return ir::Type::sequence(read_held(type.sequence_type().elem_type(), name, depth + 1));
    case onnx::TypeProto::kOptionalType:
      return ir::Type::optional(read_held(type.optional_type().elem_type(), name, depth + 1));
    case onnx::TypeProto::kMapType:
      return read_map(type.map_type(), name, depth);
    case onnx::TypeProto::kTensorType:
    case onnx::TypeProto::kSparseTensorType:
      return std::nullopt;
    default:
      fail(ErrorKind::kModel, "'{}' has no type", name);
  }
}

ir::Type read_held(const onnx::TypeProto& type, const std::string& name, int depth) {
  if (auto holder = read_holder(type, name, depth)) return *holder;
  return type.has_tensor_type() ? read_held_tensor(type.tensor_type(), name)
                                : read_held_tensor(type.sparse_tensor_type(), name);
}

}  // namespace

DType read_dtype(int32_t data_type, std::string_view what) {
  if (data_type == 0) fail(ErrorKind::kModel, "{} is undefined", what);
  if (data_type < 0 || data_type > kLastDType) {
    fail(ErrorKind::kModel, "{} is the unknown number {}", what, data_type);
  }
  return static_cast<DType>(data_type);
}

std::string symbol_text(std::string_view name) {
  std::string text;
  for (const char c : name) {
    const bool keep = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
    text += keep ? c : '_';
  }
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) != 0 || text[0] == '.')
    text = "d_" + text;
  return text;
}

ir::Dim SymbolTable::named(ir::Graph& graph, const std::string& dim_param, bool from_input) {
  if (const auto found = dims_.find(dim_param); found != dims_.end()) return found->second;
  ir::SymbolInfo info;
  info.from_input = from_input;
  const std::string text = symbol_text(dim_param);
  ir::Dim dim;
  if (text == dim_param && !graph.symbols().contains(text)) {
    dim = ir::Dim::symbol(text);
    graph.symbols()[text] = info;
  } else {
    dim = graph.fresh_symbol(text, info);
  }
  dims_.emplace(dim_param, dim);
  return dim;
}

void SymbolTable::fix(const std::string& dim_param, int64_t value) {
  const auto [entry, is_new] = dims_.emplace(dim_param, ir::Dim(value));
  if (!is_new && entry->second != ir::Dim(value)) {
    fail(ErrorKind::kUsage, "--shape gives dim '{}' both the value {} and the value {}", dim_param,
         entry->second.to_string(), value);
  }
}

ir::Type read_held_type(const onnx::TypeProto& type, const std::string& name) {
  return read_held(type, name, 0);
}

ir::Type read_type(const onnx::TypeProto& type, const std::string& name, const TypeScope& scope) {
  if (auto holder = read_holder(type, name, 0)) return *holder;
  return type.has_tensor_type() ? read_tensor_type(type.tensor_type(), name, scope)
                                : read_tensor_type(type.sparse_tensor_type(), name, scope);
}

onnx::TypeProto write_type(const ir::Type& type, bool with_shape) {
  onnx::TypeProto result;
  switch (type.kind) {
    case ir::TypeKind::kTensor: {
      result.mutable_tensor_type()->set_elem_type(static_cast<int32_t>(type.tensor.dtype));
      if (!with_shape || type.tensor.ranks != ir::Ranks::kOne) break;
      onnx::TensorShapeProto* shape = result.mutable_tensor_type()->mutable_shape();
      for (const ir::Dim& dim : type.tensor.shape) {
        onnx::TensorShapeProto::Dimension* out = shape->add_dim();
        if (dim.is_constant()) {
          if (dim.value() != ir::kAnyExtent) out->set_dim_value(dim.value());
        } else {
          out->set_dim_param(dim.to_string());
        }
      }
      break;
    }
    case ir::TypeKind::kSequence:
      *result.mutable_sequence_type()->mutable_elem_type() = write_type(*type.element, with_shape);
      break;
    case ir::TypeKind::kOptional:
      *result.mutable_optional_type()->mutable_elem_type() = write_type(*type.element, with_shape);
      break;
    case ir::TypeKind::kMap:
      result.mutable_map_type()->set_key_type(static_cast<int32_t>(type.key));
      *result.mutable_map_type()->mutable_value_type() = write_type(*type.element, with_shape);
      break;
  }
  return result;
}

bool is_known(const ir::Type& type) {
  return type.kind != ir::TypeKind::kTensor || type.tensor.dtype != DType::kUndefined;
}

}  // namespace dlc::frontend
