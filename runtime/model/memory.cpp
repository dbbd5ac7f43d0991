// Memory of contexts, and sizes of tensors.

#include <cstdlib>

#include "runtime/model/context.h"
#include "runtime/model/element.h"

namespace dlc::model {

bool grow(dlc_context* context, Block& block, size_t bytes, const char* what) {
  if (bytes <= block.capacity && block.data != nullptr) return true;
  release(context, block);
  size_t capacity = bytes == 0 ? 1 : bytes;
  block.data = context->allocator.allocate(context->allocator.user, capacity, kAlignment);
  if (block.data == nullptr) {
    fault(context, DLC_OUT_OF_MEMORY, "no memory for %s: %zu bytes", what, capacity);
    return false;
  }
  block.capacity = capacity;
  context->memory_bytes += static_cast<int64_t>(capacity);
  return true;
}

void release(dlc_context* context, Block& block) {
  if (block.data == nullptr) return;
  context->allocator.release(context->allocator.user, block.data, block.capacity);
  context->memory_bytes -= static_cast<int64_t>(block.capacity);
  block = Block{};
}

int64_t element_count(int32_t rank, const int64_t* extents) {
  int64_t count = 1;
  bool empty = false;
  for (int32_t i = 0; i < rank; ++i) {
    if (extents[i] < 0) return -1;
    empty = empty || extents[i] == 0;
    if (!empty && __builtin_mul_overflow(count, extents[i], &count)) return -1;
  }
  return empty ? 0 : count;
}

int64_t element_bytes(uint8_t dtype, int64_t count) {
  int64_t bits = 0;
  if (count < 0 || __builtin_mul_overflow(count, static_cast<int64_t>(element_type(dtype).bits), &bits))
    return -1;
  return (bits + 7) / 8;
}

}  // namespace dlc::model

extern "C" {

void* dlc_dynamic_buffer(dlc_frame* frame, int32_t slot, int64_t bytes) {
  dlc_context* context = frame->context;
  if (bytes < 0) {
    dlc::model::fault(context, DLC_INVALID_INPUT, "the size of a value overflows");
    return nullptr;
  }
  dlc::model::Block& block = context->dynamic[slot];
  size_t wanted = static_cast<size_t>(bytes);
  // Values that grow step by step are not allocated anew at each step.
  if (wanted > block.capacity && block.capacity > 0) wanted += block.capacity / 2;
  return grow(context, block, wanted, "a value whose size depends on data") ? block.data : nullptr;
}

void* dlc_call_output(dlc_frame* frame, dlc_call_tensor* output) {
  if (output->slot < 0) {
    int32_t index = -1 - output->slot;
    const dlc_model* model = frame->context->model;
    const int32_t* slots = model->output_shape_dims;
    for (int32_t i = 0; i < index; ++i) slots += model->outputs[i].rank;
    for (int32_t i = 0; i < output->rank; ++i) frame->dims[slots[i]] = output->dims[i];
    output->data = dlc_output_buffer(frame, index);
  } else {
    int64_t count = dlc::model::element_count(output->rank, output->dims);
    output->data = dlc_dynamic_buffer(frame, output->slot, dlc::model::element_bytes(output->dtype, count));
  }
  return output->data;
}

}  // extern "C"
