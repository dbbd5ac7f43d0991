// Checks of a run's inputs against the model, binding of symbols, dense copies.

#include <cinttypes>

#include "runtime/model/context.h"
#include "runtime/model/element.h"
#include "runtime/model/strided.h"
#include "runtime/model/value_border.h"

namespace dlc::model {
namespace {

constexpr int64_t kUnbound = -1;

int32_t check_type(dlc_context* context, const dlc_value_info& info, const dlc_tensor& tensor) {
  if (tensor.device_type != kCpu) {
    return fault(context, DLC_INVALID_INPUT,
                 "input '%s': expected memory of the CPU, found device type %" PRId32, info.name,
                 tensor.device_type);
  }
  ElementType expected = border_element(info);
  bool fits = is_tensor(info) ? has_element_type(tensor, info.dtype)
                              : tensor.type_code == expected.code && tensor.type_bits == expected.bits;
  if (!fits) {
    char found[64];
    describe_element_type(tensor, found, sizeof found);
    return fault(context, DLC_INVALID_INPUT, "input '%s': expected elements of type %s, found %s", info.name,
                 expected.name, found);
  }
  if (tensor.ndim != info.rank) {
    return fault(context, DLC_INVALID_INPUT, "input '%s': expected %" PRId32 " axes, found %" PRId32,
                 info.name, info.rank, tensor.ndim);
  }
  return DLC_OK;
}

// Which input and axis bound a symbol before (`input`, `axis`), for the message of one that disagrees.
int32_t fail_symbol(dlc_context* context, int64_t symbol, int32_t input, int32_t axis, int64_t found) {
  const dlc_model* model = context->model;
  for (int32_t i = 0; i <= input; ++i) {
    for (int32_t j = 0; j < model->inputs[i].rank; ++j) {
      if (model->inputs[i].dims[j] != -1 - symbol) continue;
      return fault(context, DLC_INVALID_INPUT,
                   "input '%s' axis %" PRId32 " ('%s'): expected %" PRId64 " as in input '%s' axis %" PRId32
                   ", found %" PRId64,
                   model->inputs[input].name, axis, model->symbols[symbol], context->frame.dims[symbol],
                   model->inputs[i].name, j, found);
    }
  }
  return DLC_INTERNAL;
}

int32_t bind_axis(dlc_context* context, int32_t input, int32_t axis, int64_t found) {
  const dlc_value_info& info = context->model->inputs[input];
  int64_t expected = info.dims[axis];
  if (expected >= 0) {
    if (found == expected) return DLC_OK;
    return fault(context, DLC_INVALID_INPUT,
                 "input '%s' axis %" PRId32 ": expected %" PRId64 ", found %" PRId64, info.name, axis,
                 expected, found);
  }
  if (found < 0) {
    return fault(context, DLC_INVALID_INPUT, "input '%s' axis %" PRId32 ": %" PRId64 " is no extent",
                 info.name, axis, found);
  }
  int64_t symbol = -1 - expected;
  int64_t& value = context->frame.dims[symbol];
  if (value == kUnbound) value = found;
  return value == found ? DLC_OK : fail_symbol(context, symbol, input, axis, found);
}

// Sets frame.inputs[index] to memory for handles.
int32_t take_handles(dlc_context* context, int32_t index, const dlc_tensor& tensor) {
  const dlc_value_info& info = context->model->inputs[index];
  const int64_t count = element_count(info.rank, tensor.shape);
  const auto handle_bytes = static_cast<int64_t>(sizeof(Handle));
  const auto string_bytes = static_cast<int64_t>(sizeof(dlc_string));
  int64_t bytes = 0;
  if (count < 0 || __builtin_mul_overflow(count, handle_bytes + string_bytes, &bytes))
    return fault(context, DLC_INVALID_INPUT, "input '%s': its size overflows", info.name);
  Block& block = context->inputs[index].copy;
  if (!grow(context, block, static_cast<size_t>(bytes), "an input")) return DLC_OUT_OF_MEMORY;
  Handle* handles = static_cast<Handle*>(block.data);
  context->frame.inputs[index] = handles;
  const char* data = static_cast<const char*>(tensor.data) + tensor.byte_offset;
  if (!is_tensor(info)) {
    const bool given = tensor.data != nullptr;
    return take_value(context, info, given ? reinterpret_cast<const dlc_value*>(data) : nullptr, handles);
  }
  if (count == 0) return DLC_OK;
  if (tensor.data == nullptr)
    return fault(context, DLC_INVALID_INPUT, "input '%s': its data is null", info.name);
  const dlc_string* strings = reinterpret_cast<const dlc_string*>(data);
  if (!is_dense(info.rank, tensor.shape, tensor.strides)) {
    dlc_string* dense = reinterpret_cast<dlc_string*>(handles + count);
    copy_to_dense(dense, data, info.rank, tensor.shape, tensor.strides, string_bytes);
    strings = dense;
  }
  return take_strings(context, info.name, strings, count, handles);
}

// Sets frame.inputs[index] to dense, aligned memory.
int32_t take_data(dlc_context* context, int32_t index, const dlc_tensor& tensor) {
  const dlc_value_info& info = context->model->inputs[index];
  int64_t count = element_count(info.rank, tensor.shape);
  int64_t bytes = element_bytes(info.dtype, count);
  if (bytes < 0) return fault(context, DLC_INVALID_INPUT, "input '%s': its size overflows", info.name);
  char* data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  if (tensor.data == nullptr && bytes > 0) {
    return fault(context, DLC_INVALID_INPUT, "input '%s': its data is null", info.name);
  }
  int64_t element = element_type(info.dtype).bits / 8;
  bool dense = is_dense(info.rank, tensor.shape, tensor.strides);
  if (element == 0 && !dense) {
    return fault(context, DLC_INVALID_INPUT, "input '%s': packed elements cannot have strides", info.name);
  }
  bool aligned = element == 0 || reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(element) == 0;
  if (bytes > 0 && (!dense || !aligned)) {
    Block& copy = context->inputs[index].copy;
    if (!grow(context, copy, static_cast<size_t>(bytes), "the dense copy of an input"))
      return DLC_OUT_OF_MEMORY;
    copy_to_dense(copy.data, data, info.rank, tensor.shape, tensor.strides, element);
    data = static_cast<char*>(copy.data);
  }
  context->frame.inputs[index] = data;
  return DLC_OK;
}

}  // namespace

int32_t bind_inputs(dlc_context* context, const dlc_tensor* inputs) {
  const dlc_model* model = context->model;
  for (int32_t s = 0; s < model->num_symbols; ++s) context->frame.dims[s] = kUnbound;
  for (int32_t i = 0; i < model->num_inputs; ++i) {
    int32_t status = check_type(context, model->inputs[i], inputs[i]);
    for (int32_t j = 0; status == DLC_OK && j < model->inputs[i].rank; ++j) {
      status = bind_axis(context, i, j, inputs[i].shape[j]);
    }
    const bool has_handles = !is_tensor(model->inputs[i]) || has_strings(model->inputs[i]);
    if (status == DLC_OK) {
      status = has_handles ? take_handles(context, i, inputs[i]) : take_data(context, i, inputs[i]);
    }
    if (status != DLC_OK) return status;
  }
  return DLC_OK;
}

}  // namespace dlc::model
