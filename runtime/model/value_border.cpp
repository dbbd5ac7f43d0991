#include "runtime/model/value_border.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "runtime/format/utf8.h"
#include "runtime/model/strided.h"

namespace dlc::model {
namespace {

constexpr uint8_t kStringNumber = 8;
constexpr const char* kKinds[] = {"a tensor", "a sequence", "an optional", "a map"};

const char* kind_name(int32_t kind) {
  return kind >= 0 && kind < 4 ? kKinds[kind] : "a value of unknown kind";
}

// Takes one input. Faults say which element of what it holds is at fault.
class Taker {
 public:
  Taker(dlc_context* context, const char* name) : context_(context), name_(name) {}

  int32_t strings(const dlc_string* strings, int64_t count, Handle* handles) {
    for (int64_t i = 0; i < count; ++i) {
      const dlc_string& string = strings[i];
      const int64_t size = string.size >= 0         ? string.size
                           : string.data != nullptr ? static_cast<int64_t>(strlen(string.data))
                                                    : 0;
      if (string.data == nullptr && size > 0) return bad("string %" PRId64 " has no data", i);
      if (!is_utf8(string.data, static_cast<size_t>(size))) return bad("string %" PRId64 " is not UTF-8", i);
      handles[i] = make_string(context_, string.data, size);
      if (handles[i] == kNoMemory) return DLC_OUT_OF_MEMORY;
    }
    return DLC_OK;
  }

  int32_t value(const dlc_value_info& info, const dlc_value& value, Handle* handle) {
    if (value.kind != info.kind)
      return bad("expected %s, found %s", kind_name(info.kind), kind_name(value.kind));
    if (value.kind == DLC_TENSOR) return tensor(info, value.tensor, handle);
    if (value.count < 0 || (value.kind == DLC_OPTIONAL && value.count > 1))
      return bad("%s of %" PRId64 " elements", kind_name(value.kind), value.count);
    return value.kind == DLC_MAP ? map(info, value, handle) : elements(info, value, handle);
  }

 private:
  template <class... Args>
  [[gnu::noinline]] int32_t bad(const char* format, Args... args) {
    char place[200];
    place[0] = '\0';
    size_t used = 0;
    for (int i = 0; i < depth_ && used < sizeof place; ++i) {
      used +=
          static_cast<size_t>(snprintf(place + used, sizeof place - used, ", element %" PRId64, path_[i]));
    }
    char what[400];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    snprintf(what, sizeof what, format, args...);
#pragma GCC diagnostic pop
    return fault(context_, DLC_INVALID_INPUT, "input '%s'%s: %s", name_, place, what);
  }

  int32_t elements(const dlc_value_info& info, const dlc_value& value, Handle* handle) {
    *handle = 0;
    if (value.count == 0) return DLC_OK;
    if (value.elements == nullptr) return bad("its elements are null");
    if (depth_ == kMaxDepth) return bad("it nests too deeply");
    SequenceObject* sequence = make_sequence(context_, value.count);
    if (sequence == nullptr) return DLC_OUT_OF_MEMORY;
    ++depth_;
    for (int64_t i = 0; i < value.count; ++i) {
      path_[depth_ - 1] = i;
      int32_t status = this->value(*info.element, value.elements[i], &sequence->first[i]);
      if (status != DLC_OK) return status;
    }
    --depth_;
    *handle = handle_of(sequence);
    return DLC_OK;
  }

  int32_t map(const dlc_value_info& info, const dlc_value& value, Handle* handle) {
    const int64_t extents[] = {value.count};
    const dlc_value_info keys = {"keys", info.dtype, 1, extents, nullptr, DLC_TENSOR, nullptr};
    const dlc_value_info values = {"values", info.element->dtype, 1, extents, nullptr, DLC_TENSOR, nullptr};
    SequenceObject* object = make_sequence(context_, 2);
    if (object == nullptr) return DLC_OUT_OF_MEMORY;
    *handle = handle_of(object);
    int32_t status = tensor(keys, value.keys, &object->first[0]);
    return status == DLC_OK ? tensor(values, value.tensor, &object->first[1]) : status;
  }

  int32_t check_tensor(const dlc_value_info& info, const dlc_tensor& tensor) {
    if (tensor.device_type != kCpu) return bad("expected memory of the CPU");
    if (!has_element_type(tensor, info.dtype)) {
      char found[64];
      describe_element_type(tensor, found, sizeof found);
      return bad("expected elements of type %s, found %s", element_type(info.dtype).name, found);
    }
    if (info.rank >= 0 && tensor.ndim != info.rank)
      return bad("expected %" PRId32 " axes, found %" PRId32, info.rank, tensor.ndim);
    for (int32_t i = 0; i < tensor.ndim; ++i) {
      if (info.rank < 0 || info.dims[i] < 0 || info.dims[i] == tensor.shape[i]) continue;
      return bad("axis %" PRId32 ": expected %" PRId64 ", found %" PRId64, i, info.dims[i], tensor.shape[i]);
    }
    const int64_t count = element_count(tensor.ndim, tensor.shape);
    if (element_bytes(info.dtype, count) < 0) return bad("its size overflows");
    if (count > 0 && tensor.data == nullptr) return bad("its data is null");
    return DLC_OK;
  }

  int32_t tensor(const dlc_value_info& info, const dlc_tensor& tensor, Handle* handle) {
    int32_t status = check_tensor(info, tensor);
    if (status != DLC_OK) return status;
    TensorObject* object = make_tensor(context_, info.dtype, tensor.ndim, tensor.shape);
    if (object == nullptr) return DLC_OUT_OF_MEMORY;
    *handle = handle_of(object);
    const char* data = static_cast<const char*>(tensor.data) + tensor.byte_offset;
    const bool dense = is_dense(tensor.ndim, tensor.shape, tensor.strides);
    const int64_t element = element_type(info.dtype).bits / 8;
    if (!dense && element == 0) return bad("packed elements cannot have strides");
    if (object->count == 0) return DLC_OK;
    const bool is_text = info.dtype == kStringNumber;
    const int64_t bytes = element_bytes(info.dtype, object->count);
    void* target = object->data;
    if (is_text && !dense) {
      target = value_memory(context_, bytes);
      if (target == nullptr) return DLC_OUT_OF_MEMORY;
    }
    if (!dense) {
      copy_to_dense(target, data, tensor.ndim, tensor.shape, tensor.strides, element);
      data = static_cast<const char*>(target);
    } else if (!is_text) {
      memcpy(target, data, static_cast<size_t>(bytes));
    }
    if (!is_text) return DLC_OK;
    return strings(reinterpret_cast<const dlc_string*>(data), object->count,
                   static_cast<Handle*>(object->data));
  }

  static constexpr int kMaxDepth = 16;
  dlc_context* context_;
  const char* name_;
  int64_t path_[kMaxDepth];
  int depth_ = 0;
};

class Giver {
 public:
  explicit Giver(dlc_context* context) : context_(context) {}

  bool value(const dlc_value_info& info, Handle handle, dlc_value* value) {
    *value = {};
    value->kind = info.kind;
    if (info.kind == DLC_TENSOR) return tensor(*object_of<TensorObject>(handle), &value->tensor);
    if (info.kind == DLC_MAP) {
      const TensorObject& keys = *object_of<TensorObject>(sequence_element(handle, 0));
      value->count = keys.count;
      return tensor(keys, &value->keys) &&
             tensor(*object_of<TensorObject>(sequence_element(handle, 1)), &value->tensor);
    }
    value->count = sequence_count(handle);
    value->elements = static_cast<dlc_value*>(
        value_memory(context_, value->count * static_cast<int64_t>(sizeof(dlc_value))));
    if (value->elements == nullptr) return false;
    for (int64_t i = 0; i < value->count; ++i) {
      if (!this->value(*info.element, sequence_element(handle, i), &value->elements[i])) return false;
    }
    return true;
  }

 private:
  bool tensor(const TensorObject& object, dlc_tensor* tensor) {
    void* data = object.data;
    if (object.dtype == kStringNumber) {
      data = value_memory(context_, object.count * static_cast<int64_t>(sizeof(dlc_string)));
      if (data == nullptr) return false;
      give_strings(static_cast<const Handle*>(object.data), object.count, static_cast<dlc_string*>(data));
    }
    *tensor = dense_tensor(data, element_type(object.dtype), object.rank, object.extents);
    return true;
  }

  dlc_context* context_;
};

}  // namespace

ElementType border_element(const dlc_value_info& info) {
  return is_tensor(info) ? element_type(info.dtype) : kValueElement;
}

int32_t take_strings(dlc_context* context, const char* name, const dlc_string* strings, int64_t count,
                     Handle* handles) {
  return Taker(context, name).strings(strings, count, handles);
}

int32_t take_value(dlc_context* context, const dlc_value_info& info, const dlc_value* value, Handle* handle) {
  if (value == nullptr) return fault(context, DLC_INVALID_INPUT, "input '%s': its data is null", info.name);
  return Taker(context, info.name).value(info, *value, handle);
}

void give_strings(const Handle* handles, int64_t count, dlc_string* strings) {
  static_assert(sizeof(dlc_string) >= sizeof(Handle), "the last string is written first");
  for (int64_t i = count; i-- > 0;) {
    Handle handle = 0;
    memcpy(&handle, handles + i, sizeof handle);
    const Text text = text_of(handle);
    const dlc_string string = {text.data, text.size};
    memcpy(strings + i, &string, sizeof string);
  }
}

dlc_value* give_value(dlc_context* context, const dlc_value_info& info, Handle handle) {
  dlc_value* value = static_cast<dlc_value*>(value_memory(context, sizeof(dlc_value)));
  return value != nullptr && Giver(context).value(info, handle, value) ? value : nullptr;
}

}  // namespace dlc::model
