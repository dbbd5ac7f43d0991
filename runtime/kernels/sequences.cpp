// Sequences and optionals (runtime/model/values.h). Faults are told as positions; generated code names the
// node.
#include <cstring>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/value_call.h"

using dlc::kernels::AxisView;
using dlc::kernels::copied_tensor;
using dlc::kernels::give_tensor;
using dlc::kernels::handle_in;
using dlc::kernels::read_integer;
using dlc::kernels::set_handle;
using dlc::kernels::view_along;
using namespace dlc::model;

namespace {

// The position, 0 to `last`, in a sequence of `count` elements that an input tells: negative ones count from
// the end; absent: `last`.
int32_t find_position(dlc_frame* frame, const dlc_call_tensor& position, int64_t count, int64_t last,
                      int64_t* found) {
  const int64_t given = position.data == nullptr ? last : read_integer(position, 0);
  *found = given < 0 && position.data != nullptr ? given + count : given;
  if (*found >= 0 && *found <= last) return DLC_OK;
  if (position.data == nullptr) return dlc_fail(frame, DLC_INVALID_INPUT, "the sequence is empty", 0, 0);
  return dlc_fail(frame, DLC_INVALID_INPUT, "position %lld in a sequence of %lld elements", given, count);
}

// Copies rows of `bytes` from one place to another, with different distances between them.
void copy_rows(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t rows, int64_t bytes) {
  if (bytes == 0) return;
  for (int64_t i = 0; i < rows; ++i)
    std::memcpy(to + i * to_step, from + i * from_step, static_cast<size_t>(bytes));
}

// The parts that `split` asks for: how many, and how long part i is.
class Parts {
 public:
  Parts(const dlc_call_tensor& split, int64_t extent) : split_(split), extent_(extent) {
    if (split.data == nullptr) {
      length_ = 1;
    } else if (split.rank == 0) {
      length_ = read_integer(split, 0);
    } else {
      count_ = split.dims[0];
      return;
    }
    count_ = length_ <= 0 ? 0 : (extent + length_ - 1) / length_;
  }

  int64_t count() const { return count_; }
  int64_t length(int64_t i) const {
    if (length_ == kListed) return read_integer(split_, i);
    const int64_t rest = extent_ - i * length_;
    return rest < length_ ? rest : length_;
  }

  int32_t check(dlc_frame* frame) const {
    if (length_ != kListed) {
      if (length_ > 0) return DLC_OK;
      return dlc_fail(frame, DLC_INVALID_INPUT, "split: expected a positive number, found %lld", length_, 0);
    }
    int64_t total = 0;
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t part = length(i);
      if (part < 0) return dlc_fail(frame, DLC_INVALID_INPUT, "split: part %lld has %lld elements", i, part);
      if (__builtin_add_overflow(total, part, &total)) total = INT64_MAX;
    }
    if (total == extent_) return DLC_OK;
    return dlc_fail(frame, DLC_INVALID_INPUT, "split: the parts have %lld elements, the axis has %lld", total,
                    extent_);
  }

 private:
  static constexpr int64_t kListed = -1;
  const dlc_call_tensor& split_;
  int64_t extent_;
  int64_t length_ = kListed;
  int64_t count_ = 0;
};

}  // namespace

extern "C" int32_t dlc_value_pack(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                  const int64_t* params) {
  const TensorObject* tensor = copied_tensor(frame, inputs[0], static_cast<uint8_t>(params[0]));
  if (tensor == nullptr) return DLC_OUT_OF_MEMORY;
  set_handle(outputs[0], handle_of(tensor));
  return DLC_OK;
}

extern "C" int32_t dlc_value_unpack(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                    const int64_t* params) {
  const TensorObject& tensor = *object_of<TensorObject>(handle_in(inputs[0]));
  if (tensor.rank != outputs[0].rank) {
    return dlc_fail(frame, DLC_INVALID_INPUT, "the element has rank %lld, expected %lld", tensor.rank,
                    outputs[0].rank);
  }
  for (int32_t i = 0; i < tensor.rank; ++i) {
    const int64_t expected = params[i];
    if (expected >= 0 && tensor.extents[i] != expected)
      return dlc_fail(frame, DLC_INVALID_INPUT, "an axis of the element has extent %lld, expected %lld",
                      tensor.extents[i], expected);
  }
  return give_tensor(frame, tensor, outputs[0]);
}

extern "C" int32_t dlc_sequence_construct(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                          const int64_t* params) {
  SequenceObject* sequence = make_sequence(frame->context, params[0]);
  if (sequence == nullptr) return DLC_OUT_OF_MEMORY;
  for (int64_t i = 0; i < params[0]; ++i) sequence->first[i] = handle_in(inputs[i]);
  set_handle(outputs[0], handle_of(sequence));
  return DLC_OK;
}

extern "C" int32_t dlc_sequence_insert(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                       const int64_t*) {
  const Handle sequence = handle_in(inputs[0]);
  const int64_t count = sequence_count(sequence);
  int64_t position = 0;
  // One may insert behind the last element, too; -1 is before it.
  const int32_t status = find_position(frame, inputs[2], count, count, &position);
  if (status != DLC_OK) return status;
  const Handle result = insert_element(frame->context, sequence, position, handle_in(inputs[1]));
  if (result == kNoMemory) return DLC_OUT_OF_MEMORY;
  set_handle(outputs[0], result);
  return DLC_OK;
}

extern "C" int32_t dlc_sequence_erase(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                      const int64_t*) {
  const Handle sequence = handle_in(inputs[0]);
  const int64_t count = sequence_count(sequence);
  int64_t position = 0;
  const int32_t status = find_position(frame, inputs[1], count, count - 1, &position);
  if (status != DLC_OK) return status;
  const Handle result = erase_element(frame->context, sequence, position);
  if (result == kNoMemory) return DLC_OUT_OF_MEMORY;
  set_handle(outputs[0], result);
  return DLC_OK;
}

extern "C" int32_t dlc_sequence_at(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                   const int64_t*) {
  const Handle sequence = handle_in(inputs[0]);
  const int64_t count = sequence_count(sequence);
  int64_t position = 0;
  const int32_t status = find_position(frame, inputs[1], count, count - 1, &position);
  if (status != DLC_OK) return status;
  set_handle(outputs[0], sequence_element(sequence, position));
  return DLC_OK;
}

extern "C" int32_t dlc_sequence_length(dlc_frame*, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                       const int64_t*) {
  *static_cast<int64_t*>(outputs[0].data) = sequence_count(handle_in(inputs[0]));
  return DLC_OK;
}

extern "C" int32_t dlc_optional_element(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                        const int64_t*) {
  const Handle optional = handle_in(inputs[0]);
  if (sequence_count(optional) == 0)
    return dlc_fail(frame, DLC_INVALID_INPUT, "the optional has no element", 0, 0);
  set_handle(outputs[0], sequence_element(optional, 0));
  return DLC_OK;
}

extern "C" int32_t dlc_sequence_split(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                      const int64_t* params) {
  const dlc_call_tensor& data = inputs[0];
  const int64_t axis = params[0];
  const bool keeps_axis = params[1] != 0;
  const auto dtype = static_cast<uint8_t>(params[2]);
  const AxisView view = view_along(data.rank, data.dims, axis);
  const Parts parts(inputs[1], view.extent);
  int32_t status = parts.check(frame);
  if (status != DLC_OK) return status;
  SequenceObject* sequence = make_sequence(frame->context, parts.count());
  if (sequence == nullptr) return DLC_OUT_OF_MEMORY;
  auto* dims = static_cast<int64_t*>(value_memory(frame->context, data.rank * int64_t{sizeof(int64_t)}));
  if (dims == nullptr) return DLC_OUT_OF_MEMORY;
  const int64_t inner_bytes = stored_bytes(dtype, view.inner);
  const char* from = static_cast<const char*>(data.data);
  for (int64_t i = 0; i < parts.count(); ++i) {
    int32_t rank = 0;
    const int64_t length = parts.length(i);
    for (int32_t k = 0; k < data.rank; ++k) {
      if (k != axis || keeps_axis) dims[rank++] = k == axis ? length : data.dims[k];
    }
    TensorObject* part = make_tensor(frame->context, dtype, rank, dims);
    if (part == nullptr) return DLC_OUT_OF_MEMORY;
    copy_rows(static_cast<char*>(part->data), length * inner_bytes, from, view.extent * inner_bytes,
              view.outer, length * inner_bytes);
    from += length * inner_bytes;
    sequence->first[i] = handle_of(part);
  }
  set_handle(outputs[0], handle_of(sequence));
  return DLC_OK;
}

namespace {

// Whether the elements can be concatenated: equal extents apart from the axis, or altogether for a new one.
int32_t check_concatenation(dlc_frame* frame, Handle sequence, int64_t axis, bool new_axis,
                            const dlc_call_tensor& output, const int64_t* expected) {
  const int64_t count = sequence_count(sequence);
  const int32_t rank = output.rank - (new_axis ? 1 : 0);
  if (count == 0) return dlc_fail(frame, DLC_INVALID_INPUT, "the sequence is empty", 0, 0);
  const TensorObject& first = *object_of<TensorObject>(sequence_element(sequence, 0));
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) {
    const TensorObject& element = *object_of<TensorObject>(sequence_element(sequence, i));
    if (element.rank != rank) {
      return dlc_fail(frame, DLC_INVALID_INPUT, "element %lld has rank %lld", i, element.rank);
    }
    for (int32_t k = 0; k < rank; ++k) {
      if ((k == axis && !new_axis) || element.extents[k] == first.extents[k]) continue;
      return dlc_fail(frame, DLC_INVALID_INPUT, "elements 0 and %lld differ in the extent of axis %lld", i,
                      k);
    }
    if (__builtin_add_overflow(total, new_axis ? 1 : element.extents[axis], &total)) total = INT64_MAX;
  }
  for (int32_t k = 0; k < output.rank; ++k) {
    const int64_t own = k == axis ? total : first.extents[new_axis && k > axis ? k - 1 : k];
    output.dims[k] = own;
    if (expected[k] >= 0 && own != expected[k])
      return dlc_fail(frame, DLC_INVALID_INPUT, "an axis of the result has extent %lld, expected %lld", own,
                      expected[k]);
  }
  return DLC_OK;
}

}  // namespace

extern "C" int32_t dlc_sequence_concat(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                       const int64_t* params) {
  const Handle sequence = handle_in(inputs[0]);
  const int64_t axis = params[0];
  const bool new_axis = params[1] != 0;
  const auto dtype = static_cast<uint8_t>(params[2]);
  dlc_call_tensor& output = outputs[0];
  int32_t status = check_concatenation(frame, sequence, axis, new_axis, output, params + 3);
  if (status != DLC_OK) return status;
  if (output.data == nullptr && dlc_call_output(frame, &output) == nullptr) return DLC_OUT_OF_MEMORY;
  const AxisView whole = view_along(output.rank, output.dims, axis);
  const int64_t row_bytes = stored_bytes(dtype, whole.extent * whole.inner);
  char* to = static_cast<char*>(output.data);
  for (int64_t i = 0; i < sequence_count(sequence); ++i) {
    const TensorObject& part = *object_of<TensorObject>(sequence_element(sequence, i));
    const int64_t extent = new_axis ? 1 : part.extents[axis];
    const int64_t bytes = stored_bytes(dtype, extent * whole.inner);
    copy_rows(to, row_bytes, static_cast<const char*>(part.data), bytes, whole.outer, bytes);
    to += bytes;
  }
  return DLC_OK;
}
