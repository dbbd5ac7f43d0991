#include "frontend/read_attribute.h"

#include "frontend/check_node.h"
#include "runtime/error.h"
#include "runtime/format/utf8.h"

namespace dlc::frontend {
namespace {

using Proto = onnx::AttributeProto;

const std::string& checked_text(const std::string& text, const Proto& attribute) {
  if (!is_utf8(text.data(), text.size()))
    fail(ErrorKind::kModel, "attribute '{}' is not UTF-8", attribute.name());
  return text;
}

std::vector<std::string> checked_texts(const Proto& attribute) {
  for (const std::string& text : attribute.strings()) checked_text(text, attribute);
  return {attribute.strings().begin(), attribute.strings().end()};
}

Tensor strings_tensor(std::vector<int64_t> shape, std::vector<std::string> values) {
  return Tensor::from_strings(std::move(shape), std::move(values));
}

}  // namespace

ir::Attribute read_attribute(const Proto& attribute, TensorSource& tensors) {
  switch (attribute_type(attribute)) {
    case Proto::FLOAT:
      return static_cast<double>(attribute.f());
    case Proto::INT:
      return static_cast<int64_t>(attribute.i());
    case Proto::STRING:
      return checked_text(attribute.s(), attribute);
    case Proto::TENSOR:
      return read_tensor(attribute.t(), tensors);
    case Proto::FLOATS:
      return std::vector<double>(attribute.floats().begin(), attribute.floats().end());
    case Proto::INTS:
      return std::vector<int64_t>(attribute.ints().begin(), attribute.ints().end());
    case Proto::STRINGS:
      return checked_texts(attribute);
    case Proto::SPARSE_TENSOR:
      return read_sparse_tensor(attribute.sparse_tensor(), tensors);
    case Proto::TYPE_PROTO:
      return read_held_type(attribute.tp(), attribute.name());
    default:
      fail(ErrorKind::kModel, "attribute '{}' is of a kind that no operator has", attribute.name());
  }
}

Tensor read_constant(const AttributeProtos& attributes, TensorSource& tensors) {
  if (attributes.size() != 1) {
    fail(ErrorKind::kModel, "has {} attributes; expected exactly one value", attributes.size());
  }
  const Proto& value = *attributes.begin()->second;
  switch (attribute_type(value)) {
    case Proto::TENSOR:
      return read_tensor(value.t(), tensors);
    case Proto::SPARSE_TENSOR:
      return read_sparse_tensor(value.sparse_tensor(), tensors);
    case Proto::FLOAT:
      return Tensor::scalar(DType::kFloat, value.f());
    case Proto::INT: {
      const int64_t number = value.i();
      return Tensor::of<int64_t>(DType::kInt64, {}, {&number, 1});
    }
    case Proto::STRING:
      return strings_tensor({}, {checked_text(value.s(), value)});
    case Proto::FLOATS:
      return Tensor::of<float>(DType::kFloat, {value.floats_size()},
                               {value.floats().data(), static_cast<size_t>(value.floats_size())});
    case Proto::INTS:
      return Tensor::of<int64_t>(DType::kInt64, {value.ints_size()},
                                 {value.ints().data(), static_cast<size_t>(value.ints_size())});
    case Proto::STRINGS:
      return strings_tensor({value.strings_size()}, checked_texts(value));
    default:
      fail(ErrorKind::kModel, "attribute '{}' is no constant", value.name());
  }
}

}  // namespace dlc::frontend
