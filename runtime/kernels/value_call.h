// What runtime kernels on handles (runtime/model/values.h) share.
#pragma once

#include <cstring>

#include "runtime/kernels/call_tensor.h"
#include "runtime/model/abi.h"
#include "runtime/model/values.h"

namespace dlc::kernels {

inline model::Handle handle_in(const dlc_call_tensor& tensor) {
  return *static_cast<const model::Handle*>(tensor.data);
}
inline void set_handle(const dlc_call_tensor& tensor, model::Handle handle) {
  *static_cast<model::Handle*>(tensor.data) = handle;
}

inline model::Handle* handles_of(const dlc_call_tensor& tensor) {
  return static_cast<model::Handle*>(tensor.data);
}

// Element i of a tensor of int32 or int64.
inline int64_t read_integer(const dlc_call_tensor& tensor, int64_t i) {
  constexpr uint8_t kInt32 = 6;
  if (tensor.dtype == kInt32) return static_cast<const int32_t*>(tensor.data)[i];
  return static_cast<const int64_t*>(tensor.data)[i];
}

// A tensor as an object. Null: no memory.
inline const model::TensorObject* copied_tensor(dlc_frame* frame, const dlc_call_tensor& tensor,
                                                uint8_t dtype) {
  model::TensorObject* object = model::make_tensor(frame->context, dtype, tensor.rank, tensor.dims);
  if (object == nullptr) return nullptr;
  const int64_t bytes = model::stored_bytes(dtype, object->count);
  if (bytes > 0) std::memcpy(object->data, tensor.data, static_cast<size_t>(bytes));
  return object;
}

// An object as an output of the same rank. Where the callee provides the output's memory, the object's own is
// used as it is, unless the output is one of the model.
inline int32_t give_tensor(dlc_frame* frame, const model::TensorObject& object, dlc_call_tensor& output) {
  const bool has_memory = output.data != nullptr;
  if (!has_memory) {
    for (int32_t i = 0; i < object.rank; ++i) output.dims[i] = object.extents[i];
    if (output.slot >= 0) {
      output.data = object.data;
      return DLC_OK;
    }
    if (dlc_call_output(frame, &output) == nullptr) return DLC_OUT_OF_MEMORY;
  }
  const int64_t bytes = model::stored_bytes(object.dtype, object.count);
  if (bytes > 0) std::memcpy(output.data, object.data, static_cast<size_t>(bytes));
  return DLC_OK;
}

}  // namespace dlc::kernels
