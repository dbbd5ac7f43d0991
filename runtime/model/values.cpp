#include "runtime/model/values.h"

#include <cstring>

#include "runtime/model/context.h"

namespace dlc::model {
namespace {

constexpr uint8_t kString = 8;
constexpr int64_t kFirstChunk = 1 << 16;
constexpr int64_t kFewestElements = 4;

ValueChunk* add_chunk(dlc_context* context, int64_t bytes) {
  ValuePool& pool = context->values;
  int64_t payload = pool.bytes > kFirstChunk ? pool.bytes : kFirstChunk;
  if (payload < bytes) payload = bytes;
  Block block;
  const size_t capacity = static_cast<size_t>(payload) + kAlignment;
  if (!grow(context, block, capacity, "strings, sequences, optionals or maps")) return nullptr;
  ValueChunk* chunk = static_cast<ValueChunk*>(block.data);
  *chunk = {pool.newest, block.capacity, 0};
  pool.newest = chunk;
  pool.bytes += payload;
  return chunk;
}

void release_chunk(dlc_context* context, ValueChunk* chunk) {
  Block block = {chunk, chunk->capacity};
  release(context, block);
}

int64_t room(const ValueChunk* chunk) {
  return static_cast<int64_t>(chunk->capacity - kAlignment) - chunk->used;
}

}  // namespace

// One chunk is kept; where a run needed several, the next gets one that is as large as all of them.
void reset_values(dlc_context* context) {
  ValuePool& pool = context->values;
  if (pool.newest == nullptr) return;
  if (pool.newest->older == nullptr) {
    pool.newest->used = 0;
    return;
  }
  const int64_t bytes = pool.bytes;
  release_values(context);
  if (add_chunk(context, bytes) == nullptr) context->error[0] = '\0';  // this run may need less
}

void release_values(dlc_context* context) {
  ValuePool& pool = context->values;
  while (pool.newest != nullptr) {
    ValueChunk* older = pool.newest->older;
    release_chunk(context, pool.newest);
    pool.newest = older;
  }
  pool.bytes = 0;
}

namespace {

void* aligned_memory(dlc_context* context, int64_t bytes, int64_t alignment) {
  constexpr int64_t kMost = INT64_MAX / 4;
  if (bytes < 0 || bytes > kMost) {
    fault(context, DLC_INVALID_INPUT, "the size of a value overflows");
    return nullptr;
  }
  ValueChunk* chunk = context->values.newest;
  int64_t begin = chunk == nullptr ? 0 : (chunk->used + alignment - 1) / alignment * alignment;
  if (chunk == nullptr || begin + bytes > chunk->used + room(chunk)) {
    chunk = add_chunk(context, bytes);
    if (chunk == nullptr) return nullptr;
    begin = 0;
  }
  chunk->used = begin + bytes;
  return reinterpret_cast<char*>(chunk) + kAlignment + begin;
}

}  // namespace

void* value_memory(dlc_context* context, int64_t bytes) {
  return aligned_memory(context, bytes, alignof(Handle));
}

bool same_text(Handle a, Handle b) {
  if (a == b) return true;
  const Text left = text_of(a), right = text_of(b);
  return left.size == right.size && memcmp(left.data, right.data, static_cast<size_t>(left.size)) == 0;
}

int compare_text(Handle a, Handle b) {
  const Text left = text_of(a), right = text_of(b);
  const int64_t shorter = left.size < right.size ? left.size : right.size;
  const int order = memcmp(left.data, right.data, static_cast<size_t>(shorter));
  if (order != 0) return order;
  return left.size < right.size ? -1 : left.size > right.size ? 1 : 0;
}

StringObject* make_string(dlc_context* context, int64_t size) {
  const auto header = static_cast<int64_t>(sizeof(StringObject));
  const int64_t bytes = size > INT64_MAX - header - 1 ? -1 : size + header + 1;
  StringObject* string = static_cast<StringObject*>(value_memory(context, bytes));
  if (string == nullptr) return nullptr;
  string->size = size;
  string->bytes()[size] = '\0';
  return string;
}

Handle make_string(dlc_context* context, const char* bytes, int64_t size) {
  if (size == 0) return 0;
  StringObject* string = make_string(context, size);
  if (string == nullptr) return kNoMemory;
  memcpy(string->bytes(), bytes, static_cast<size_t>(size));
  return handle_of(string);
}

int64_t stored_bytes(uint8_t dtype, int64_t count) {
  if (dtype != kString) return element_bytes(dtype, count);
  int64_t bytes = 0;
  const auto one = static_cast<int64_t>(sizeof(Handle));
  return count < 0 || __builtin_mul_overflow(count, one, &bytes) ? -1 : bytes;
}

TensorObject* make_tensor(dlc_context* context, uint8_t dtype, int32_t rank, const int64_t* extents) {
  const int64_t count = element_count(rank, extents);
  const auto extent_bytes = static_cast<int64_t>(static_cast<size_t>(rank) * sizeof(int64_t));
  void* memory = value_memory(context, static_cast<int64_t>(sizeof(TensorObject)) + extent_bytes);
  void* data = memory == nullptr ? nullptr : aligned_memory(context, stored_bytes(dtype, count), kAlignment);
  if (data == nullptr) return nullptr;
  TensorObject* tensor = static_cast<TensorObject*>(memory);
  *tensor = {dtype, rank, count, reinterpret_cast<int64_t*>(tensor + 1), data};
  if (rank > 0) memcpy(tensor->extents, extents, static_cast<size_t>(extent_bytes));
  return tensor;
}

namespace {

// `count` elements with room for `capacity`.
SequenceObject* make_sequence(dlc_context* context, int64_t count, int64_t capacity) {
  constexpr auto kHeader = static_cast<int64_t>(sizeof(SequenceObject) + sizeof(Elements));
  constexpr auto kElement = static_cast<int64_t>(sizeof(Handle));
  if (capacity > (INT64_MAX - kHeader) / kElement) capacity = -1;
  char* memory = static_cast<char*>(value_memory(context, capacity < 0 ? -1 : kHeader + capacity * kElement));
  if (memory == nullptr) return nullptr;
  SequenceObject* sequence = reinterpret_cast<SequenceObject*>(memory);
  Elements* store = reinterpret_cast<Elements*>(sequence + 1);
  Handle* first = reinterpret_cast<Handle*>(store + 1);
  *store = {first + count, first + capacity};
  *sequence = {count, first, store};
  return sequence;
}

// Another sequence with elements of the same store.
Handle share(dlc_context* context, const SequenceObject& with, Handle* first, int64_t count) {
  void* memory = value_memory(context, sizeof(SequenceObject));
  if (memory == nullptr) return kNoMemory;
  *static_cast<SequenceObject*>(memory) = {count, first, with.store};
  return handle_of(memory);
}

void copy_elements(Handle* to, const Handle* from, int64_t count) {
  if (count > 0) memcpy(to, from, static_cast<size_t>(count) * sizeof(Handle));
}

}  // namespace

SequenceObject* make_sequence(dlc_context* context, int64_t count) {
  return make_sequence(context, count, count);
}

Handle insert_element(dlc_context* context, Handle sequence, int64_t position, Handle element) {
  const int64_t count = sequence_count(sequence);
  const SequenceObject* old = object_of<SequenceObject>(sequence);
  // Only one sequence ends where its store does: it alone may add an element there.
  if (old != nullptr && position == count && old->first + count == old->store->end &&
      old->store->end < old->store->limit) {
    *old->store->end++ = element;
    return share(context, *old, old->first, count + 1);
  }
  const int64_t capacity = 2 * count < kFewestElements ? kFewestElements : 2 * count;
  SequenceObject* result = make_sequence(context, count + 1, capacity < count + 1 ? count + 1 : capacity);
  if (result == nullptr) return kNoMemory;
  if (old != nullptr) {
    copy_elements(result->first, old->first, position);
    copy_elements(result->first + position + 1, old->first + position, count - position);
  }
  result->first[position] = element;
  return handle_of(result);
}

Handle erase_element(dlc_context* context, Handle sequence, int64_t position) {
  const SequenceObject& old = *object_of<SequenceObject>(sequence);
  if (position == 0) return share(context, old, old.first + 1, old.count - 1);
  if (position == old.count - 1) return share(context, old, old.first, old.count - 1);
  SequenceObject* result = make_sequence(context, old.count - 1);
  if (result == nullptr) return kNoMemory;
  copy_elements(result->first, old.first, position);
  copy_elements(result->first + position, old.first + position + 1, old.count - 1 - position);
  return handle_of(result);
}

}  // namespace dlc::model
