#include "runtime/value.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/error.h"

namespace dlc {

Value Value::sequence(std::vector<Value> elements) {
  Value result;
  result.kind_ = ValueKind::kSequence;
  result.elements_ = std::move(elements);
  return result;
}

Value Value::optional() {
  Value result;
  result.kind_ = ValueKind::kOptional;
  return result;
}

Value Value::optional(Value element) {
  Value result = optional();
  result.elements_.push_back(std::move(element));
  return result;
}

Value Value::map(Tensor keys, Tensor values) {
  const bool has_key_type = is_integer(keys.dtype()) || keys.dtype() == DType::kString;
  if (!has_key_type || keys.rank() != 1 || values.shape() != keys.shape()) {
    fail(ErrorKind::kData,
         "a map of keys {}[{}] and values {}[{}]; expected integers or strings and as many values",
         onnx_name(keys.dtype()), fmt::join(keys.shape(), ", "), onnx_name(values.dtype()),
         fmt::join(values.shape(), ", "));
  }
  Value result;
  result.kind_ = ValueKind::kMap;
  result.keys_ = std::move(keys);
  result.tensor_ = std::move(values);
  return result;
}

void Value::require(bool is_so, const char* what) const {
  if (!is_so) fail(ErrorKind::kData, "expected {}, found {}", what, describe(*this));
}

const Tensor& Value::tensor() const {
  require(is_tensor(), "a tensor");
  return tensor_;
}

const std::vector<Value>& Value::elements() const {
  require(kind_ == ValueKind::kSequence || kind_ == ValueKind::kOptional, "a sequence or an optional");
  return elements_;
}

const Tensor& Value::keys() const {
  require(kind_ == ValueKind::kMap, "a map");
  return keys_;
}

const Tensor& Value::values() const {
  require(kind_ == ValueKind::kMap, "a map");
  return tensor_;
}

std::string describe(const Value& value) {
  switch (value.kind()) {
    case ValueKind::kTensor:
      return fmt::format("{}[{}]", onnx_name(value.tensor().dtype()),
                         fmt::join(value.tensor().shape(), ", "));
    case ValueKind::kOptional:
      if (value.elements().empty()) return "optional without element";
      return fmt::format("optional with {}", describe(value.elements()[0]));
    case ValueKind::kMap:
      return fmt::format("map of {} {} to {}", value.keys().size(), onnx_name(value.keys().dtype()),
                         onnx_name(value.values().dtype()));
    case ValueKind::kSequence:
      break;
  }
  constexpr size_t kShown = 4;
  std::string text = fmt::format("sequence of {}", value.elements().size());
  for (size_t i = 0; i < value.elements().size() && i < kShown; ++i)
    text += (i == 0 ? ": " : ", ") + describe(value.elements()[i]);
  return value.elements().size() > kShown ? text + ", ..." : text;
}

}  // namespace dlc
