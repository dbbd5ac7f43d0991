#include "frontend/read_tensor.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "frontend/read_type.h"
#include "runtime/error.h"
#include "runtime/format/utf8.h"

namespace dlc::frontend {
namespace {

constexpr size_t kLargeBytes = 256;  // smaller raw data is copied

// Which of TensorProto's fields holds the elements of a type.
enum class Field : uint8_t { kFloat, kInt32, kInt64, kUint64, kDouble, kString };

constexpr const char* kFieldNames[] = {"float_data",  "int32_data",  "int64_data",
                                       "uint64_data", "double_data", "string_data"};

Field field_of(DType type) {
  switch (type) {
    case DType::kFloat:
    case DType::kComplex64:
      return Field::kFloat;
    case DType::kInt64:
      return Field::kInt64;
    case DType::kUint32:
    case DType::kUint64:
      return Field::kUint64;
    case DType::kDouble:
    case DType::kComplex128:
      return Field::kDouble;
    case DType::kString:
      return Field::kString;
    default:
      return Field::kInt32;
  }
}

int64_t entries(const onnx::TensorProto& proto, Field field) {
  switch (field) {
    case Field::kFloat:
      return proto.float_data_size();
    case Field::kInt32:
      return proto.int32_data_size();
    case Field::kInt64:
      return proto.int64_data_size();
    case Field::kUint64:
      return proto.uint64_data_size();
    case Field::kDouble:
      return proto.double_data_size();
    case Field::kString:
      return proto.string_data_size();
  }
  return 0;
}

// The shape, with all arithmetic on it proven not to overflow.
std::vector<int64_t> checked_shape(const onnx::TensorProto& proto, DType type, int64_t max_bytes) {
  std::vector<int64_t> shape(proto.dims().begin(), proto.dims().end());
  int64_t count = 1;
  for (const int64_t dim : shape) {
    if (dim < 0) fail(ErrorKind::kModel, "dims [{}] hold a negative number", fmt::join(shape, ", "));
    if (__builtin_mul_overflow(count, dim, &count)) {
      fail(ErrorKind::kModel, "dims [{}] overflow", fmt::join(shape, ", "));
    }
  }
  const int64_t bits = std::max(bit_width(type), 1);
  if (count > max_bytes / ((bits + 7) / 8)) {
    fail(ErrorKind::kResource, "dims [{}] need more than the limit of {} bytes", fmt::join(shape, ", "),
         max_bytes);
  }
  return shape;
}

int64_t element_count(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

template <class T>
void copy_narrowed(const google::protobuf::RepeatedField<int32_t>& from, void* to) {
  T* out = static_cast<T*>(to);
  for (const int32_t value : from) *out++ = static_cast<T>(value);
}

void copy_int32_data(const onnx::TensorProto& proto, DType type, void* to) {
  if (type == DType::kBool) {
    uint8_t* out = static_cast<uint8_t*>(to);
    for (const int32_t value : proto.int32_data()) *out++ = value != 0 ? 1 : 0;
  } else if (bit_width(type) == 32) {
    std::memcpy(to, proto.int32_data().data(), static_cast<size_t>(proto.int32_data_size()) * 4);
  } else if (bit_width(type) == 16) {
    copy_narrowed<uint16_t>(proto.int32_data(), to);
  } else {
    copy_narrowed<uint8_t>(proto.int32_data(), to);
  }
}

void copy_elements(const onnx::TensorProto& proto, DType type, Tensor& tensor) {
  void* to = tensor.mutable_data();
  const size_t bytes = static_cast<size_t>(tensor.byte_size());
  switch (field_of(type)) {
    case Field::kFloat:
      std::memcpy(to, proto.float_data().data(), bytes);
      break;
    case Field::kInt64:
      std::memcpy(to, proto.int64_data().data(), bytes);
      break;
    case Field::kDouble:
      std::memcpy(to, proto.double_data().data(), bytes);
      break;
    case Field::kUint64:
      if (type == DType::kUint64) {
        std::memcpy(to, proto.uint64_data().data(), bytes);
      } else {
        std::copy(proto.uint64_data().begin(), proto.uint64_data().end(), static_cast<uint32_t*>(to));
      }
      break;
    case Field::kInt32:
      copy_int32_data(proto, type, to);
      break;
    case Field::kString:
      break;
  }
}

int64_t expected_entries(DType type, int64_t count) {
  if (type == DType::kComplex64 || type == DType::kComplex128) return 2 * count;
  return bit_width(type) < 8 && type != DType::kString ? byte_size(type, count) : count;
}

// Bytes of a bool other than 0 and 1 would be undefined behaviour further on.
Tensor normalize_bools(Tensor tensor) {
  const uint8_t* from = tensor.as<uint8_t>();
  if (std::all_of(from, from + tensor.size(), [](uint8_t b) { return b <= 1; })) return tensor;
  Tensor result(DType::kBool, tensor.shape());
  for (int64_t i = 0; i < tensor.size(); ++i) result.mutable_as<uint8_t>()[i] = from[i] != 0 ? 1 : 0;
  return result;
}

Tensor wrap(DType type, std::vector<int64_t> shape, const void* data, std::shared_ptr<const void> owner) {
  Tensor tensor(type, std::move(shape), data, std::move(owner));
  return type == DType::kBool ? normalize_bools(std::move(tensor)) : tensor;
}

Tensor from_raw(const onnx::TensorProto& proto, DType type, std::vector<int64_t> shape,
                const RawData& taken) {
  if (type == DType::kString) fail(ErrorKind::kModel, "strings are stored as raw_data; expected string_data");
  std::shared_ptr<const std::string> bytes = taken.find(proto);
  const int64_t expected = byte_size(type, element_count(shape));
  const int64_t found = static_cast<int64_t>(bytes != nullptr ? bytes->size() : proto.raw_data().size());
  if (found != expected) {
    fail(ErrorKind::kModel, "raw_data has {} bytes; {}[{}] needs {}", found, onnx_name(type),
         fmt::join(shape, ", "), expected);
  }
  if (bytes == nullptr) bytes = std::make_shared<std::string>(proto.raw_data());
  return wrap(type, std::move(shape), bytes->data(), bytes);
}

int64_t parse_number(const std::string& key, const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    fail(ErrorKind::kModel, "external data {} '{}' is not a number of bytes", key, text);
  }
  return value;
}

Tensor from_file(const onnx::TensorProto& proto, DType type, std::vector<int64_t> shape,
                 ExternalData& files) {
  if (type == DType::kString) fail(ErrorKind::kModel, "strings cannot be external data");
  std::string location;
  int64_t offset = 0;
  int64_t length = -1;
  for (const onnx::StringStringEntryProto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = parse_number("offset", entry.value());
    if (entry.key() == "length") length = parse_number("length", entry.value());
  }
  const int64_t expected = byte_size(type, element_count(shape));
  if (length >= 0 && length != expected) {
    fail(ErrorKind::kModel, "external data '{}' has length {}; {}[{}] needs {} bytes", location, length,
         onnx_name(type), fmt::join(shape, ", "), expected);
  }
  const std::shared_ptr<const MappedFile> file = files.open(location);
  const int64_t size = static_cast<int64_t>(file->bytes().size());
  if (offset > size || expected > size - offset) {
    fail(ErrorKind::kModel,
         "external data file '{}' is too short: {} bytes at offset {} are needed, it has {}", location,
         expected, offset, size);
  }
  return wrap(type, std::move(shape), file->bytes().data() + offset, file);
}

Tensor from_fields(const onnx::TensorProto& proto, DType type, std::vector<int64_t> shape) {
  const Field field = field_of(type);
  for (int other = 0; other <= static_cast<int>(Field::kString); ++other) {
    if (other != static_cast<int>(field) && entries(proto, static_cast<Field>(other)) > 0) {
      fail(ErrorKind::kModel, "elements of type {} are stored as {}; expected {}", onnx_name(type),
           kFieldNames[other], kFieldNames[static_cast<int>(field)]);
    }
  }
  const int64_t expected = expected_entries(type, element_count(shape));
  const int64_t found = entries(proto, field);
  if (found != expected) {
    fail(ErrorKind::kModel, "{} has {} entries; {}[{}] needs {}", kFieldNames[static_cast<int>(field)], found,
         onnx_name(type), fmt::join(shape, ", "), expected);
  }
  if (type == DType::kString) {
    for (int i = 0; i < proto.string_data_size(); ++i) {
      const std::string& text = proto.string_data(i);
      if (!is_utf8(text.data(), text.size())) fail(ErrorKind::kModel, "string {} is not UTF-8", i);
    }
    return Tensor::from_strings(std::move(shape), {proto.string_data().begin(), proto.string_data().end()});
  }
  Tensor result(type, std::move(shape));
  if (result.byte_size() > 0) copy_elements(proto, type, result);
  return result;
}

// Row-major position of the sparse value `i`: indices hold positions ([count]) or coordinates ([count,
// rank]).
int64_t sparse_position(const Tensor& indices, int64_t i, const std::vector<int64_t>& shape) {
  const int64_t size = element_count(shape);
  int64_t position = 0;
  if (indices.rank() == 1) {
    position = indices.get_int(i);
  } else {
    const int64_t rank = static_cast<int64_t>(shape.size());
    for (int64_t axis = 0; axis < rank; ++axis) {
      const int64_t index = indices.get_int(i * rank + axis);
      if (index < 0 || index >= shape[static_cast<size_t>(axis)]) {
        fail(ErrorKind::kModel, "sparse index {} of axis {} is outside dims [{}]", index, axis,
             fmt::join(shape, ", "));
      }
      position = position * shape[static_cast<size_t>(axis)] + index;
    }
  }
  if (position < 0 || position >= size) {
    fail(ErrorKind::kModel, "sparse index {} is outside dims [{}]", position, fmt::join(shape, ", "));
  }
  return position;
}

}  // namespace

RawData::RawData(onnx::ModelProto& model) {
  take(*model.mutable_graph());
  for (onnx::FunctionProto& function : *model.mutable_functions()) {
    for (onnx::NodeProto& node : *function.mutable_node()) take(node);
  }
}

void RawData::take(onnx::GraphProto& graph) {
  for (onnx::TensorProto& tensor : *graph.mutable_initializer()) take(tensor);
  for (onnx::SparseTensorProto& tensor : *graph.mutable_sparse_initializer()) take(*tensor.mutable_values());
  for (onnx::NodeProto& node : *graph.mutable_node()) take(node);
}

void RawData::take(onnx::NodeProto& node) {
  for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.has_t()) take(*attribute.mutable_t());
    if (attribute.has_g()) take(*attribute.mutable_g());
  }
}

void RawData::take(onnx::TensorProto& tensor) {
  if (!tensor.has_raw_data() || tensor.raw_data().size() < kLargeBytes) return;
  taken_[&tensor] = std::shared_ptr<const std::string>(tensor.release_raw_data());
}

std::shared_ptr<const std::string> RawData::find(const onnx::TensorProto& tensor) const {
  const auto found = taken_.find(&tensor);
  return found != taken_.end() ? found->second : nullptr;
}

Tensor read_tensor(const onnx::TensorProto& proto, TensorSource& source) {
  const DType type = read_dtype(proto.data_type(), "element type");
  std::vector<int64_t> shape = checked_shape(proto, type, source.max_bytes);
  if (proto.has_segment()) fail(ErrorKind::kModel, "tensors stored in segments are not supported");
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
    return from_file(proto, type, std::move(shape), source.external);
  }
  if (proto.has_raw_data() || source.raw.find(proto) != nullptr) {
    return from_raw(proto, type, std::move(shape), source.raw);
  }
  return from_fields(proto, type, std::move(shape));
}

Tensor read_sparse_tensor(const onnx::SparseTensorProto& proto, TensorSource& source) {
  const Tensor values = read_tensor(proto.values(), source);
  const Tensor indices = read_tensor(proto.indices(), source);
  if (values.rank() != 1)
    fail(ErrorKind::kModel, "values of a sparse tensor have rank {}; expected 1", values.rank());
  if (values.dtype() == DType::kString || bit_width(values.dtype()) < 8) {
    fail(ErrorKind::kModel, "sparse tensors of {} are not supported", onnx_name(values.dtype()));
  }
  onnx::TensorProto dense;
  *dense.mutable_dims() = proto.dims();
  const std::vector<int64_t> shape = checked_shape(dense, values.dtype(), source.max_bytes);
  const bool coordinates = indices.rank() == 2 && indices.shape()[1] == static_cast<int64_t>(shape.size());
  if (indices.dtype() != DType::kInt64 || !(indices.rank() == 1 || coordinates) ||
      indices.shape()[0] != values.size()) {
    fail(ErrorKind::kModel, "sparse indices are {}[{}]; expected int64[{}] or int64[{}, {}]",
         onnx_name(indices.dtype()), fmt::join(indices.shape(), ", "), values.size(), values.size(),
         shape.size());
  }
  Tensor result(values.dtype(), shape);
  const size_t bytes = static_cast<size_t>(bit_width(values.dtype())) / 8;
  for (int64_t i = 0; i < values.size(); ++i) {
    const size_t to = static_cast<size_t>(sparse_position(indices, i, shape)) * bytes;
    std::memcpy(result.mutable_as<char>() + to, values.as<char>() + static_cast<size_t>(i) * bytes, bytes);
  }
  return result;
}

}  // namespace dlc::frontend
