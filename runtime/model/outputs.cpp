// Memory of a run's outputs: the caller's where that can be written in place, else the context's.

#include <cinttypes>
#include <cstring>

#include "runtime/model/context.h"
#include "runtime/model/element.h"
#include "runtime/model/strided.h"
#include "runtime/model/value_border.h"

namespace dlc::model {
namespace {

const int32_t* shape_slots(const dlc_model* model, int32_t index) {
  const int32_t* slots = model->output_shape_dims;
  for (int32_t i = 0; i < index; ++i) slots += model->outputs[i].rank;
  return slots;
}

// Extents from the slots; false if one of them is not known yet.
bool read_shape(dlc_context* context, int32_t index) {
  const int32_t* slots = shape_slots(context->model, index);
  OutputState& output = context->outputs[index];
  bool known = true;
  for (int32_t i = 0; i < context->model->outputs[index].rank; ++i) {
    output.shape[i] = context->frame.dims[slots[i]];
    known = known && output.shape[i] >= 0;
  }
  return known;
}

int32_t check_caller_shape(dlc_context* context, int32_t index, const dlc_tensor& tensor, bool exact) {
  const dlc_value_info& info = context->model->outputs[index];
  if (!has_element_type(tensor, info.dtype)) {
    char found[64];
    describe_element_type(tensor, found, sizeof found);
    return fault(context, DLC_INVALID_INPUT, "output '%s': expected elements of type %s, found %s", info.name,
                 element_type(info.dtype).name, found);
  }
  if (tensor.ndim != info.rank) {
    return fault(context, DLC_INVALID_INPUT, "output '%s': expected %" PRId32 " axes, found %" PRId32,
                 info.name, info.rank, tensor.ndim);
  }
  const int64_t* shape = context->outputs[index].shape;
  for (int32_t i = 0; i < info.rank; ++i) {
    if ((exact && tensor.shape[i] != shape[i]) || tensor.shape[i] < 0) {
      return fault(context, DLC_INVALID_INPUT,
                   "output '%s' axis %" PRId32 ": expected %" PRId64 ", found %" PRId64, info.name, i,
                   shape[i], tensor.shape[i]);
    }
  }
  return DLC_OK;
}

// Notes what memory the caller gives for output `index`; `known`: its extents are known.
int32_t take_memory(dlc_context* context, int32_t index, const dlc_tensor& tensor, bool known) {
  const dlc_value_info& info = context->model->outputs[index];
  OutputState& output = context->outputs[index];
  output.caller_elements = -1;
  output.caller_data = nullptr;
  output.copy_out = false;
  if (tensor.data == nullptr || !is_tensor(info)) return DLC_OK;
  if (!known && tensor.shape == output.shape) {
    return fault(context, DLC_INVALID_INPUT,
                 "output '%s': its extents depend on data, so its memory must come with a shape", info.name);
  }
  int32_t status = check_caller_shape(context, index, tensor, known);
  if (status != DLC_OK) return status;
  char* data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  int64_t element = element_type(info.dtype).bits / 8;
  bool dense = is_dense(info.rank, tensor.shape, tensor.strides);
  if (!dense && (element == 0 || !known)) {
    return fault(context, DLC_INVALID_INPUT, "output '%s': its memory must be dense", info.name);
  }
  bool aligned = element == 0 || reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(element) == 0;
  output.caller_elements = element_count(info.rank, tensor.shape);
  output.caller_data = data;
  output.copy_out = !dense || !aligned || has_strings(info);
  return DLC_OK;
}

// Of an output's memory in the context: a handle takes no more than what it becomes at the border.
int64_t border_bytes(const dlc_value_info& info, int64_t count) {
  return is_tensor(info) ? element_bytes(info.dtype, count) : static_cast<int64_t>(sizeof(Handle));
}

// Turns handles into what they stand for. False: no memory.
bool give_handles(dlc_context* context, int32_t index) {
  const dlc_value_info& info = context->model->outputs[index];
  OutputState& output = context->outputs[index];
  if (has_strings(info)) {
    void* data = output.block.data;
    give_strings(static_cast<Handle*>(data), element_count(info.rank, output.shape),
                 static_cast<dlc_string*>(data));
  } else if (!is_tensor(info)) {
    context->frame.outputs[index] = give_value(context, info, *static_cast<Handle*>(output.block.data));
  }
  return context->frame.outputs[index] != nullptr;
}

void copy_out(const dlc_value_info& info, const OutputState& output, const dlc_tensor& tensor) {
  int64_t element = element_type(info.dtype).bits / 8;
  if (is_dense(info.rank, output.shape, tensor.strides)) {
    int64_t bytes = element_bytes(info.dtype, element_count(info.rank, output.shape));
    memcpy(output.caller_data, output.block.data, static_cast<size_t>(bytes));
  } else {
    copy_from_dense(output.caller_data, output.block.data, info.rank, output.shape, tensor.strides, element);
  }
}

}  // namespace

void* resolve_output(dlc_context* context, int32_t index) {
  const dlc_value_info& info = context->model->outputs[index];
  OutputState& output = context->outputs[index];
  read_shape(context, index);
  int64_t count = element_count(info.rank, output.shape);
  int64_t bytes = border_bytes(info, count);
  if (bytes < 0) {
    fault(context, DLC_INVALID_INPUT, "output '%s': its size overflows", info.name);
    return nullptr;
  }
  if (output.caller_data != nullptr && count > output.caller_elements) {
    fault(context, DLC_INVALID_INPUT,
          "output '%s': expected memory for %" PRId64 " elements, found memory for %" PRId64, info.name,
          count, output.caller_elements);
    return nullptr;
  }
  void* data = output.caller_data;
  if (data == nullptr || output.copy_out) {
    if (!grow(context, output.block, static_cast<size_t>(bytes), "an output")) return nullptr;
    data = output.block.data;
  }
  context->frame.outputs[index] = data;
  return data;
}

int32_t prepare_outputs(dlc_context* context, dlc_tensor* outputs) {
  context->caller_outputs = outputs;
  for (int32_t i = 0; i < context->model->num_outputs; ++i) {
    bool known = read_shape(context, i);
    int32_t status = take_memory(context, i, outputs[i], known);
    if (status != DLC_OK) return status;
    context->frame.outputs[i] = nullptr;
    if (known && resolve_output(context, i) == nullptr) {
      return element_count(context->model->outputs[i].rank, context->outputs[i].shape) < 0
                 ? DLC_INVALID_INPUT
                 : DLC_OUT_OF_MEMORY;
    }
  }
  return DLC_OK;
}

int32_t finish_outputs(dlc_context* context, dlc_tensor* outputs) {
  for (int32_t i = 0; i < context->model->num_outputs; ++i) {
    if (!give_handles(context, i)) return DLC_OUT_OF_MEMORY;
  }
  for (int32_t i = 0; i < context->model->num_outputs; ++i) {
    const dlc_value_info& info = context->model->outputs[i];
    OutputState& output = context->outputs[i];
    dlc_tensor& tensor = outputs[i];
    if (output.copy_out) copy_out(info, output, tensor);
    if (output.caller_data == nullptr) {
      tensor = dense_tensor(context->frame.outputs[i], border_element(info), info.rank, tensor.shape);
    }
    if (tensor.shape == nullptr || output.caller_data == nullptr) {
      tensor.shape = output.shape;
    } else {
      for (int32_t j = 0; j < info.rank; ++j) tensor.shape[j] = output.shape[j];
    }
  }
  return DLC_OK;
}

}  // namespace dlc::model

extern "C" {

void* dlc_output_buffer(dlc_frame* frame, int32_t index) {
  return dlc::model::resolve_output(frame->context, index);
}

const int64_t* dlc_context_output_shape(const dlc_context* context, int32_t output) {
  return context->outputs[output].shape;
}

}  // extern "C"
