#include "frontend/read_type.h"

#include <cctype>

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

ir::Type read_nested(const onnx::TypeProto& type, const std::string& name, const TypeScope& scope,
                     int depth) {
  if (depth > kMaxTypeDepth) fail(ErrorKind::kModel, "the type of '{}' nests too deeply", name);
  switch (type.value_case()) {
    case onnx::TypeProto::kTensorType:
      return read_tensor_type(type.tensor_type(), name, scope);
    case onnx::TypeProto::kSparseTensorType:
      return read_tensor_type(type.sparse_tensor_type(), name, scope);
    case onnx::TypeProto::kSequenceType:
      return ir::Type::sequence(read_nested(type.sequence_type().elem_type(), name, scope, depth + 1));
    case onnx::TypeProto::kOptionalType:
      return ir::Type::optional(read_nested(type.optional_type().elem_type(), name, scope, depth + 1));
    case onnx::TypeProto::kMapType:
      return ir::Type::map(read_dtype(type.map_type().key_type(), fmt::format("key type of '{}'", name)),
                           read_nested(type.map_type().value_type(), name, scope, depth + 1));
    default:
      fail(ErrorKind::kModel, "'{}' has no type", name);
  }
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

ir::Type read_type(const onnx::TypeProto& type, const std::string& name, const TypeScope& scope) {
  return read_nested(type, name, scope, 0);
}

bool has_ranks(const onnx::TypeProto& type) {
  switch (type.value_case()) {
    case onnx::TypeProto::kTensorType:
      return type.tensor_type().has_shape();
    case onnx::TypeProto::kSparseTensorType:
      return type.sparse_tensor_type().has_shape();
    case onnx::TypeProto::kSequenceType:
      return has_ranks(type.sequence_type().elem_type());
    case onnx::TypeProto::kOptionalType:
      return has_ranks(type.optional_type().elem_type());
    case onnx::TypeProto::kMapType:
      return has_ranks(type.map_type().value_type());
    default:
      return false;
  }
}

onnx::TypeProto write_type(const ir::Type& type, bool with_shape) {
  onnx::TypeProto result;
  switch (type.kind) {
    case ir::TypeKind::kTensor: {
      result.mutable_tensor_type()->set_elem_type(static_cast<int32_t>(type.tensor.dtype));
      if (!with_shape) break;
      onnx::TensorShapeProto* shape = result.mutable_tensor_type()->mutable_shape();
      for (const ir::Dim& dim : type.tensor.shape) {
        onnx::TensorShapeProto::Dimension* out = shape->add_dim();
        if (dim.is_constant()) {
          out->set_dim_value(dim.value());
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
