// StringNormalizer: words to leave out, and letters in one case.
#include <cstring>

#include "runtime/format/letter_case_tables.h"
#include "runtime/format/strings.h"
#include "runtime/format/utf8.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/value_call.h"

using namespace dlc::model;
using dlc::LetterRun;
using dlc::kernels::count_elements;
using dlc::kernels::handles_of;

namespace {

enum Change : int64_t { kNone = 0, kLower = 1, kUpper = 2 };

uint32_t change_letter(uint32_t code, const LetterRun* runs, size_t count) {
  size_t begin = 0;
  size_t end = count;
  while (begin < end) {
    const size_t middle = (begin + end) / 2;
    if (code < runs[middle].first) {
      end = middle;
    } else if (code > runs[middle].last) {
      begin = middle + 1;
    } else {
      const LetterRun& run = runs[middle];
      return (code - run.first) % run.step == 0 ? code + static_cast<uint32_t>(run.offset) : code;
    }
  }
  return code;
}

uint32_t change_case(uint32_t code, Change change) {
  if (change == kLower)
    return change_letter(code, dlc::kLowerCase, sizeof dlc::kLowerCase / sizeof(LetterRun));
  if (change == kUpper)
    return change_letter(code, dlc::kUpperCase, sizeof dlc::kUpperCase / sizeof(LetterRun));
  return code;
}

// A text, character by character, in one case.
class Characters {
 public:
  Characters(Text text, Change change) : at_(text.data), end_(text.data + text.size), change_(change) {}
  bool next(uint32_t* code) {
    if (at_ == end_) return false;
    const dlc::Utf8Character character = dlc::utf8_character(at_, static_cast<size_t>(end_ - at_));
    at_ += character.bytes == 0 ? 1 : character.bytes;
    *code = change_case(character.code, change_);
    return true;
  }

 private:
  const char* at_;
  const char* end_;
  Change change_;
};

bool same_letters(Text a, Text b, Change change) {
  Characters left(a, change), right(b, change);
  uint32_t x = 0, y = 0;
  while (true) {
    const bool more = left.next(&x);
    if (more != right.next(&y)) return false;
    if (!more) return true;
    if (x != y) return false;
  }
}

Handle changed(dlc_context* context, Handle string, Change change) {
  const Text text = text_of(string);
  if (change == kNone || text.size == 0) return string;
  Characters measured(text, change), written(text, change);
  uint32_t code = 0;
  char bytes[4];
  int64_t size = 0;
  while (measured.next(&code)) size += static_cast<int64_t>(dlc::write_utf8(code, bytes));
  StringObject* result = make_string(context, size);
  if (result == nullptr) return kNoMemory;
  char* to = result->bytes();
  while (written.next(&code)) {
    const size_t length = dlc::write_utf8(code, bytes);
    std::memcpy(to, bytes, length);
    to += length;
  }
  return handle_of(result);
}

}  // namespace

extern "C" int32_t dlc_string_normalize(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                        const int64_t* params) {
  const Handle* strings = handles_of(inputs[0]);
  const auto change = static_cast<Change>(params[0]);
  const bool is_case_sensitive = params[1] != 0;
  const int64_t stop_words = params[2];
  const Change compared = is_case_sensitive ? kNone : change == kUpper ? kUpper : kLower;
  const int64_t count = count_elements(inputs[0]);
  int64_t* kept = static_cast<int64_t*>(outputs[1].data);
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i) {
    bool stops = false;
    const StringObject* word = static_cast<const StringObject*>(inputs[1].data);
    for (int64_t w = 0; w < stop_words && !stops; ++w, word = dlc::next_packed(word))
      stops = same_letters(text_of(strings[i]), text_of(handle_of(word)), compared);
    if (!stops) kept[found++] = i;
  }
  // Where nothing is left, one empty string is.
  if (inputs[0].rank == 2) outputs[0].dims[0] = inputs[0].dims[0];
  outputs[0].dims[inputs[0].rank - 1] = found == 0 ? 1 : found;
  Handle* result = static_cast<Handle*>(dlc_call_output(frame, &outputs[0]));
  if (result == nullptr) return DLC_OUT_OF_MEMORY;
  if (found == 0) result[0] = 0;
  for (int64_t i = 0; i < found; ++i) {
    result[i] = changed(frame->context, strings[kept[i]], change);
    if (result[i] == kNoMemory) return DLC_OUT_OF_MEMORY;
  }
  return DLC_OK;
}
