#include "runtime/border.h"

#include <cstring>

#include "runtime/model/element.h"

namespace dlc::runtime {
namespace {

dlc_kind kind_number(ValueKind kind) {
  switch (kind) {
    case ValueKind::kTensor:
      return DLC_TENSOR;
    case ValueKind::kSequence:
      return DLC_SEQUENCE;
    case ValueKind::kOptional:
      return DLC_OPTIONAL;
    case ValueKind::kMap:
      return DLC_MAP;
  }
  return DLC_TENSOR;
}

Tensor tensor_from_border(DType type, const dlc_tensor& from) {
  std::vector<int64_t> shape(from.shape, from.shape + from.ndim);
  if (type != DType::kString) {
    Tensor result(type, std::move(shape));
    if (result.byte_size() > 0)
      std::memcpy(result.mutable_data(), from.data, static_cast<size_t>(result.byte_size()));
    return result;
  }
  const auto* strings = static_cast<const dlc_string*>(from.data);
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  std::vector<std::string> texts;
  for (int64_t i = 0; i < count; ++i)
    texts.emplace_back(strings[i].data, static_cast<size_t>(strings[i].size));
  return Tensor::from_strings(std::move(shape), std::move(texts));
}

Value value_from_border(const dlc_value_info& info, const dlc_value& from) {
  if (from.kind == DLC_TENSOR) return tensor_from_border(static_cast<DType>(info.dtype), from.tensor);
  if (from.kind == DLC_MAP) {
    return Value::map(tensor_from_border(static_cast<DType>(info.dtype), from.keys),
                      tensor_from_border(static_cast<DType>(info.element->dtype), from.tensor));
  }
  std::vector<Value> elements;
  for (int64_t i = 0; i < from.count; ++i)
    elements.push_back(value_from_border(*info.element, from.elements[i]));
  if (from.kind == DLC_SEQUENCE) return Value::sequence(std::move(elements));
  return elements.empty() ? Value::optional() : Value::optional(std::move(elements[0]));
}

}  // namespace

dlc_tensor border_tensor(const Tensor& tensor) {
  const model::ElementType type = model::element_type(static_cast<uint8_t>(tensor.dtype()));
  return model::dense_tensor(const_cast<void*>(tensor.data()), type, static_cast<int32_t>(tensor.rank()),
                             const_cast<int64_t*>(tensor.shape().data()));
}

BorderValues::BorderValues(const std::vector<Value>& values) {
  for (const Value& value : values) add(value);
}

BorderValues::BorderValues(const std::vector<Tensor>& tensors) {
  for (const Tensor& tensor : tensors) tensors_.push_back(this->tensor(tensor));
}

void BorderValues::add(const Value& value) {
  if (value.is_tensor()) {
    tensors_.push_back(tensor(value.tensor()));
    return;
  }
  std::vector<dlc_value>& place = values_.emplace_back();
  place.push_back(this->value(value));
  tensors_.push_back(model::dense_tensor(place.data(), model::kValueElement, 0, nullptr));
}

dlc_tensor BorderValues::tensor(const Tensor& tensor) {
  dlc_tensor result = border_tensor(tensor);
  if (tensor.dtype() != DType::kString) return result;
  std::vector<dlc_string>& strings = strings_.emplace_back();
  for (const std::string& text : tensor.strings())
    strings.push_back({text.data(), static_cast<int64_t>(text.size())});
  result.data = strings.data();
  return result;
}

dlc_value BorderValues::value(const Value& value) {
  dlc_value result = {};
  result.kind = kind_number(value.kind());
  if (value.is_tensor()) {
    result.tensor = tensor(value.tensor());
  } else if (value.kind() == ValueKind::kMap) {
    result.count = value.keys().size();
    result.keys = tensor(value.keys());
    result.tensor = tensor(value.values());
  } else {
    std::vector<dlc_value> elements;
    for (const Value& element : value.elements()) elements.push_back(this->value(element));
    result.count = static_cast<int64_t>(elements.size());
    result.elements = values_.emplace_back(std::move(elements)).data();
  }
  return result;
}

Value value_from_border(const dlc_value_info& info, const dlc_tensor& tensor) {
  if (info.kind == DLC_TENSOR) return tensor_from_border(static_cast<DType>(info.dtype), tensor);
  return value_from_border(info, *static_cast<const dlc_value*>(tensor.data));
}

}  // namespace dlc::runtime
