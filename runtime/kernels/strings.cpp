// Tensors of strings (runtime/model/values.h).
#include <algorithm>
#include <cstring>

#include "runtime/format/strings.h"
#include "runtime/format/utf8.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/value_call.h"

using namespace dlc::model;
using dlc::kernels::count_elements;
using dlc::kernels::handles_of;

extern "C" int32_t dlc_string_constants(dlc_frame*, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                        const int64_t*) {
  Handle* handles = handles_of(outputs[0]);
  const StringObject* string = static_cast<const StringObject*>(inputs[0].data);
  const int64_t count = count_elements(outputs[0]);
  for (int64_t i = 0; i < count; ++i, string = dlc::next_packed(string))
    handles[i] = string->size == 0 ? 0 : handle_of(string);
  return DLC_OK;
}

extern "C" int32_t dlc_string_equal(dlc_frame*, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                    const int64_t*) {
  const Handle *a = handles_of(inputs[0]), *b = handles_of(inputs[1]);
  bool* result = static_cast<bool*>(outputs[0].data);
  const int64_t count = count_elements(outputs[0]);
  for (int64_t i = 0; i < count; ++i) result[i] = same_text(a[i], b[i]);
  return DLC_OK;
}

extern "C" int32_t dlc_string_concat(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                     const int64_t*) {
  const Handle *a = handles_of(inputs[0]), *b = handles_of(inputs[1]);
  Handle* result = handles_of(outputs[0]);
  const int64_t count = count_elements(outputs[0]);
  for (int64_t i = 0; i < count; ++i) {
    const Text left = text_of(a[i]), right = text_of(b[i]);
    if (left.size == 0 || right.size == 0) {
      result[i] = left.size == 0 ? b[i] : a[i];
      continue;
    }
    int64_t size = 0;
    if (__builtin_add_overflow(left.size, right.size, &size)) size = -1;
    StringObject* string = make_string(frame->context, size);
    if (string == nullptr) return DLC_OUT_OF_MEMORY;
    std::memcpy(string->bytes(), left.data, static_cast<size_t>(left.size));
    std::memcpy(string->bytes() + left.size, right.data, static_cast<size_t>(right.size));
    result[i] = handle_of(string);
  }
  return DLC_OK;
}

namespace {

// The different ones among some strings, by a hash table in the caller's memory.
class DistinctStrings {
 public:
  // `memory` holds 3 numbers for each string, and a power of two of at least 2 for each.
  DistinctStrings(const Handle* strings, int64_t count, int64_t* memory)
      : strings_(strings),
        first_(memory),
        order_(memory + count),
        place_(memory + 2 * count),
        table_(memory + 3 * count) {
    while (size_ < 2 * count) size_ *= 2;
    for (int64_t i = 0; i < size_; ++i) table_[i] = -1;
  }

  // The number of string i, the same for equal ones.
  int64_t number(int64_t i) {
    const Text text = text_of(strings_[i]);
    const auto mask = static_cast<uint64_t>(size_ - 1);
    uint64_t slot = dlc::hash_text(text.data, text.size) & mask;
    while (table_[slot] >= 0) {
      if (same_text(strings_[first_[table_[slot]]], strings_[i])) return table_[slot];
      slot = (slot + 1) & mask;
    }
    first_[count_] = i;
    return table_[slot] = count_++;
  }

  // For each number how many strings come before it in order.
  const int64_t* places() {
    for (int64_t i = 0; i < count_; ++i) order_[i] = i;
    const auto* strings = strings_;
    const auto* first = first_;
    std::sort(order_, order_ + count_, [strings, first](int64_t a, int64_t b) {
      return compare_text(strings[first[a]], strings[first[b]]) < 0;
    });
    for (int64_t i = 0; i < count_; ++i) place_[order_[i]] = i;
    return place_;
  }

 private:
  const Handle* strings_;
  int64_t* first_;
  int64_t* order_;
  int64_t* place_;
  int64_t* table_;
  int64_t size_ = 2;
  int64_t count_ = 0;
};

}  // namespace

extern "C" int32_t dlc_string_rank(dlc_frame*, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                   const int64_t*) {
  int64_t* ranks = static_cast<int64_t*>(outputs[0].data);
  const int64_t count = count_elements(inputs[0]);
  DistinctStrings distinct(handles_of(inputs[0]), count, static_cast<int64_t*>(outputs[1].data));
  for (int64_t i = 0; i < count; ++i) ranks[i] = distinct.number(i);
  const int64_t* places = distinct.places();
  for (int64_t i = 0; i < count; ++i) ranks[i] = places[ranks[i]];
  return DLC_OK;
}

extern "C" int32_t dlc_string_find(dlc_frame*, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                   const int64_t*) {
  const Handle* strings = handles_of(inputs[0]);
  const char* packed = static_cast<const char*>(inputs[1].data);
  const int64_t* offsets = static_cast<const int64_t*>(inputs[2].data);
  const int64_t* table = static_cast<const int64_t*>(inputs[3].data);
  const auto mask = static_cast<uint64_t>(inputs[3].dims[0] - 1);
  int64_t* found = static_cast<int64_t*>(outputs[0].data);
  const int64_t count = count_elements(outputs[0]);
  for (int64_t i = 0; i < count; ++i) {
    const Text text = text_of(strings[i]);
    uint64_t place = dlc::hash_text(text.data, text.size) & mask;
    while (table[place] >= 0) {
      const StringObject* key = reinterpret_cast<const StringObject*>(packed + offsets[table[place]]);
      if (same_text(handle_of(key), strings[i])) break;
      place = (place + 1) & mask;
    }
    found[i] = table[place];
  }
  return DLC_OK;
}

namespace {

// The parts of one text, told to `take(begin, size)`.
class Splitter {
 public:
  Splitter(Text delimiter, int64_t most) : delimiter_(delimiter), most_(most) {}

  template <class Take>
  void split(Text text, Take&& take) const {
    if (delimiter_.size == 0) return split_at_spaces(text, take);
    const char* end = text.data + text.size;
    const char* begin = text.data;
    for (int64_t parts = 0; most_ < 0 || parts < most_; ++parts) {
      const void* at = memmem(begin, static_cast<size_t>(end - begin), delimiter_.data,
                              static_cast<size_t>(delimiter_.size));
      if (at == nullptr) break;
      take(begin, static_cast<const char*>(at) - begin);
      begin = static_cast<const char*>(at) + delimiter_.size;
    }
    take(begin, end - begin);
  }

 private:
  static bool is_space(uint32_t c) {
    if (c <= 0x20) return (c >= 9 && c <= 13) || (c >= 28 && c <= 32);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
  }
  // Skips characters that are spaces, or that are none.
  static const char* skip(const char* at, const char* end, bool spaces) {
    while (at < end) {
      const dlc::Utf8Character next = dlc::utf8_character(at, static_cast<size_t>(end - at));
      if (is_space(next.code) != spaces) break;
      at += next.bytes == 0 ? 1 : next.bytes;
    }
    return at;
  }
  // What is left after the last split keeps its spaces.
  template <class Take>
  void split_at_spaces(Text text, Take& take) const {
    const char* end = text.data + text.size;
    const char* at = skip(text.data, end, true);
    for (int64_t parts = 0; at < end; ++parts) {
      const char* stop = most_ >= 0 && parts == most_ ? end : skip(at, end, false);
      take(at, stop - at);
      at = skip(stop, end, true);
    }
  }

  Text delimiter_;
  int64_t most_;
};

}  // namespace

extern "C" int32_t dlc_string_split(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                    const int64_t* params) {
  const Handle* strings = handles_of(inputs[0]);
  const Splitter splitter(text_of(handle_of(inputs[1].data)), params[0]);
  const int64_t count = count_elements(inputs[0]);
  int64_t* counts = static_cast<int64_t*>(outputs[1].data);
  int64_t most = 0;
  for (int64_t i = 0; i < count; ++i) {
    counts[i] = 0;
    splitter.split(text_of(strings[i]), [&](const char*, int64_t) { ++counts[i]; });
    if (counts[i] > most) most = counts[i];
  }
  for (int32_t i = 0; i < inputs[0].rank; ++i) outputs[0].dims[i] = inputs[0].dims[i];
  outputs[0].dims[inputs[0].rank] = most;
  Handle* parts = static_cast<Handle*>(dlc_call_output(frame, &outputs[0]));
  if (parts == nullptr) return DLC_OUT_OF_MEMORY;
  bool has_memory = true;
  for (int64_t i = 0; i < count; ++i, parts += most) {
    int64_t next = 0;
    splitter.split(text_of(strings[i]), [&](const char* begin, int64_t size) {
      parts[next] = make_string(frame->context, begin, size);
      has_memory = has_memory && parts[next] != kNoMemory;
      ++next;
    });
    if (!has_memory) return DLC_OUT_OF_MEMORY;
    for (; next < most; ++next) parts[next] = 0;
  }
  return DLC_OK;
}
