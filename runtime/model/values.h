// Values that are no tensors of numbers: strings, sequences, optionals and maps.
//
// In compiled code each is a handle: the address of an object that nothing changes any more, in memory of the
// context that lasts until its next run, or in the constants of the model. The handle 0 is the empty string,
// the empty sequence and the optional without a value. An optional is a sequence of at most one element; a
// map is one of two tensors of one axis and equal length: its keys and its values.
//
// Objects share what they have in common: a sequence that grows at its end, or loses elements at either end,
// copies no other element.
//
// Nothing is freed before the next run, which starts with all of the memory: a handle is copied without
// count.
#pragma once

#include "runtime/format/strings.h"
#include "runtime/model/abi.h"

namespace dlc::model {

using Handle = int64_t;
using dlc::StringObject;

// A tensor that a sequence, an optional or a map holds. Elements are as in buffers: handles for strings.
struct TensorObject {
  uint8_t dtype;  // number of ONNX TensorProto.DataType
  int32_t rank;
  int64_t count;  // of elements
  int64_t* extents;
  void* data;  // 64-byte aligned
};

// Where sequences keep their elements: those that end at `end` may grow up to `limit`.
struct Elements {
  Handle* end;
  Handle* limit;
};

struct SequenceObject {
  int64_t count;
  Handle* first;
  Elements* store;
};

inline Handle handle_of(const void* object) { return reinterpret_cast<Handle>(object); }
template <class Object>
const Object* object_of(Handle handle) {
  return reinterpret_cast<const Object*>(handle);
}

inline int64_t sequence_count(Handle sequence) {
  return sequence == 0 ? 0 : object_of<SequenceObject>(sequence)->count;
}
inline Handle sequence_element(Handle sequence, int64_t i) {
  return object_of<SequenceObject>(sequence)->first[i];
}

struct Text {
  const char* data;
  int64_t size;
};
inline Text text_of(Handle string) {
  if (string == 0) return {"", 0};
  const StringObject* object = object_of<StringObject>(string);
  return {object->bytes(), object->size};
}
bool same_text(Handle a, Handle b);
// Less than 0, 0 or greater, by bytes: the order of the characters' codes.
int compare_text(Handle a, Handle b);

// Memory until the next run, 8-byte aligned. Null: no memory, a recorded fault.
void* value_memory(dlc_context* context, int64_t bytes);

// The functions below give null, or the handle -1, where there is no memory.
inline constexpr Handle kNoMemory = -1;

// `size` bytes to be filled by the caller.
StringObject* make_string(dlc_context* context, int64_t size);
Handle make_string(dlc_context* context, const char* bytes, int64_t size);
// Data to be filled by the caller. The extents are copied.
TensorObject* make_tensor(dlc_context* context, uint8_t dtype, int32_t rank, const int64_t* extents);
// Elements to be filled by the caller.
SequenceObject* make_sequence(dlc_context* context, int64_t count);
// 0 <= position <= count of the sequence.
Handle insert_element(dlc_context* context, Handle sequence, int64_t position, Handle element);
// 0 <= position < count of the sequence.
Handle erase_element(dlc_context* context, Handle sequence, int64_t position);

// Bytes of an element in a buffer.
int64_t stored_bytes(uint8_t dtype, int64_t count);

}  // namespace dlc::model
