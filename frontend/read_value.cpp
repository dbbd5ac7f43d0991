// Values in files: TensorProto, SequenceProto, OptionalProto, MapProto.
#include <onnx/onnx-data.pb.h>

#include "frontend/external_data.h"
#include "frontend/guarded.h"
#include "frontend/model_file.h"
#include "frontend/read_model.h"
#include "frontend/read_tensor.h"
#include "frontend/read_type.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

constexpr int64_t kMaxBytes = int64_t{2} << 30;
constexpr int kMaxDepth = 16;

class ValueReader {
 public:
  explicit ValueReader(const std::string& folder) : source_{RawData(), ExternalData(folder), kMaxBytes} {}

  Value read(const onnx::TensorProto& proto) { return read_tensor(proto, source_); }
  Value read(const onnx::SparseTensorProto& proto) { return read_sparse_tensor(proto, source_); }

  Value read(const onnx::SequenceProto& proto) {
    switch (proto.elem_type()) {
      case onnx::SequenceProto::UNDEFINED:
        return Value::sequence({});
      case onnx::SequenceProto::TENSOR:
        return sequence(proto.tensor_values());
      case onnx::SequenceProto::SPARSE_TENSOR:
        return sequence(proto.sparse_tensor_values());
      case onnx::SequenceProto::SEQUENCE:
        return sequence(proto.sequence_values());
      case onnx::SequenceProto::MAP:
        return sequence(proto.map_values());
      case onnx::SequenceProto::OPTIONAL:
        return sequence(proto.optional_values());
      default:
        fail(ErrorKind::kData, "a sequence of the unknown kind {}", static_cast<int>(proto.elem_type()));
    }
  }

  Value read(const onnx::OptionalProto& proto) {
    Depth depth(*this);
    switch (proto.elem_type()) {
      case onnx::OptionalProto::UNDEFINED:
        return Value::optional();
      case onnx::OptionalProto::TENSOR:
        return proto.has_tensor_value() ? Value::optional(read(proto.tensor_value())) : Value::optional();
      case onnx::OptionalProto::SPARSE_TENSOR:
        return proto.has_sparse_tensor_value() ? Value::optional(read(proto.sparse_tensor_value()))
                                               : Value::optional();
      case onnx::OptionalProto::SEQUENCE:
        return proto.has_sequence_value() ? Value::optional(read(proto.sequence_value())) : Value::optional();
      case onnx::OptionalProto::MAP:
        return proto.has_map_value() ? Value::optional(read(proto.map_value())) : Value::optional();
      case onnx::OptionalProto::OPTIONAL:
        return proto.has_optional_value() ? Value::optional(read(proto.optional_value())) : Value::optional();
      default:
        fail(ErrorKind::kData, "an optional of the unknown kind {}", static_cast<int>(proto.elem_type()));
    }
  }

  Value read(const onnx::MapProto& proto) {
    const DType key = read_dtype(proto.key_type(), "the key type of a map");
    const onnx::SequenceProto& list = proto.values();
    if (list.elem_type() != onnx::SequenceProto::TENSOR)
      fail(ErrorKind::kData, "a map whose values are no tensors is not supported");
    Tensor keys = map_keys(proto, key);
    if (keys.size() != list.tensor_values_size()) {
      fail(ErrorKind::kData, "a map of {} keys and {} values", keys.size(), list.tensor_values_size());
    }
    return Value::map(std::move(keys), map_values(list));
  }

 private:
  class Depth {
   public:
    explicit Depth(ValueReader& reader) : reader_(reader) {
      if (++reader_.depth_ > kMaxDepth) fail(ErrorKind::kData, "values nest more than {} deep", kMaxDepth);
    }
    ~Depth() { --reader_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    ValueReader& reader_;
  };

  template <class Message>
  Value sequence(const google::protobuf::RepeatedPtrField<Message>& protos) {
    Depth depth(*this);
    std::vector<Value> elements;
    for (const Message& proto : protos) elements.push_back(read(proto));
    return Value::sequence(std::move(elements));
  }

  static Tensor map_keys(const onnx::MapProto& proto, DType type) {
    if (type == DType::kString) {
      return Tensor::from_strings({proto.string_keys_size()},
                                  {proto.string_keys().begin(), proto.string_keys().end()});
    }
    if (!is_integer(type)) fail(ErrorKind::kData, "a map with keys of type {}", onnx_name(type));
    Tensor keys(type, {proto.keys_size()});
    for (int i = 0; i < proto.keys_size(); ++i) keys.set_int(i, proto.keys(i));
    return keys;
  }

  // The values, scalars (or single elements) of one type, as one tensor.
  Tensor map_values(const onnx::SequenceProto& list) {
    std::vector<Tensor> values;
    for (const onnx::TensorProto& proto : list.tensor_values()) values.push_back(read_tensor(proto, source_));
    const DType type = values.empty() ? DType::kFloat : values[0].dtype();
    for (const Tensor& value : values) {
      if (value.dtype() != type || value.size() != 1)
        fail(ErrorKind::kData, "the values of a map are no scalars of one type");
    }
    const auto count = static_cast<int64_t>(values.size());
    if (type == DType::kString) {
      std::vector<std::string> texts;
      for (const Tensor& value : values) texts.push_back(value.strings()[0]);
      return Tensor::from_strings({count}, std::move(texts));
    }
    Tensor result(type, {count});
    for (int64_t i = 0; i < count; ++i) {
      const Tensor& value = values[static_cast<size_t>(i)];
      if (is_integer(type)) {
        result.set_int(i, value.get_int(0));
      } else {
        result.set_double(i, value.get_double(0));
      }
    }
    return result;
  }

  TensorSource source_;
  int depth_ = 0;
};

template <class Message>
Value read_file(const std::string& path, const char* name) {
  Message proto;
  if (!parse_message_file(path, kMaxBytes, proto))
    fail(ErrorKind::kData, "is not an ONNX {}, or truncated", name);
  return ValueReader(folder_of(path)).read(proto);
}

Value read_kind(const std::string& path, ValueKind kind) {
  switch (kind) {
    case ValueKind::kTensor:
      return read_file<onnx::TensorProto>(path, "TensorProto");
    case ValueKind::kSequence:
      return read_file<onnx::SequenceProto>(path, "SequenceProto");
    case ValueKind::kOptional:
      return read_file<onnx::OptionalProto>(path, "OptionalProto");
    case ValueKind::kMap:
      return read_file<onnx::MapProto>(path, "MapProto");
  }
  fail(ErrorKind::kInternal, "a value of unknown kind");
}

}  // namespace

Value read_value_proto(const std::string& path, ValueKind kind) {
  return guarded(path, [&] { return read_kind(path, kind); });
}

}  // namespace dlc::frontend
