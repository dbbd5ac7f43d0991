// Runs the program of a regular expression with all its states at once, in time proportional to the lengths
// of program and text.
#include "runtime/format/regex_program.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/value_call.h"

using namespace dlc::model;
using dlc::RegexInstruction;
using dlc::RegexOp;
using dlc::RegexPlace;

namespace {

bool is_word(Text text, int64_t at) {
  if (at < 0 || at >= text.size) return false;
  const char c = text.data[at];
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_at(RegexPlace place, Text text, int64_t at) {
  switch (place) {
    case RegexPlace::kTextBegin:
      return at == 0;
    case RegexPlace::kTextEnd:
      return at == text.size;
    case RegexPlace::kLineBegin:
      return at == 0 || text.data[at - 1] == '\n';
    case RegexPlace::kLineEnd:
      return at == text.size || text.data[at] == '\n';
    case RegexPlace::kWordBoundary:
      return is_word(text, at - 1) != is_word(text, at);
    case RegexPlace::kNoWordBoundary:
      return is_word(text, at - 1) == is_word(text, at);
  }
  return false;
}

class Matcher {
 public:
  // `memory` holds 4 numbers for each instruction.
  Matcher(const RegexInstruction* program, int64_t size, int64_t* memory)
      : program_(program),
        current_(memory),
        next_(memory + size),
        stack_(memory + 2 * size),
        seen_(memory + 3 * size) {
    for (int64_t i = 0; i < size; ++i) seen_[i] = 0;
  }

  bool matches(Text text) {
    int64_t count = 0;
    begin_step();
    bool is_match = follow(0, text, 0, current_, &count);
    for (int64_t at = 0; at < text.size; ++at) {
      const auto byte = static_cast<unsigned char>(text.data[at]);
      int64_t next_count = 0;
      is_match = false;
      begin_step();
      for (int64_t i = 0; i < count; ++i) {
        const RegexInstruction& instruction = program_[current_[i]];
        if (byte < instruction.a || byte > instruction.b) continue;
        is_match = follow(instruction.next, text, at + 1, next_, &next_count) || is_match;
      }
      if (next_count == 0 && !is_match) return false;
      int64_t* swapped = current_;
      current_ = next_;
      next_ = swapped;
      count = next_count;
    }
    return is_match;
  }

 private:
  void begin_step() { ++step_; }

  void push(int64_t instruction, int64_t* depth) {
    if (seen_[instruction] == step_) return;
    seen_[instruction] = step_;
    stack_[(*depth)++] = instruction;
  }

  // Adds the byte instructions that can be reached without a byte; true where the match is.
  bool follow(int64_t start, Text text, int64_t at, int64_t* list, int64_t* count) {
    bool is_match = false;
    int64_t depth = 0;
    push(start, &depth);
    while (depth > 0) {
      const int64_t number = stack_[--depth];
      const RegexInstruction& instruction = program_[number];
      switch (instruction.op) {
        case RegexOp::kMatch:
          is_match = true;
          break;
        case RegexOp::kBytes:
          list[(*count)++] = number;
          break;
        case RegexOp::kSplit:
          push(instruction.next, &depth);
          push(instruction.a, &depth);
          break;
        case RegexOp::kAssert:
          if (is_at(static_cast<RegexPlace>(instruction.a), text, at)) push(instruction.next, &depth);
          break;
      }
    }
    return is_match;
  }

  const RegexInstruction* program_;
  int64_t* current_;
  int64_t* next_;
  int64_t* stack_;
  int64_t* seen_;  // the last step that reached an instruction
  int64_t step_ = 0;
};

}  // namespace

extern "C" int32_t dlc_regex_full_match(dlc_frame*, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                        const int64_t*) {
  const Handle* strings = dlc::kernels::handles_of(inputs[0]);
  bool* results = static_cast<bool*>(outputs[0].data);
  Matcher matcher(static_cast<const RegexInstruction*>(inputs[1].data), inputs[1].dims[0],
                  static_cast<int64_t*>(outputs[1].data));
  const int64_t count = dlc::kernels::count_elements(outputs[0]);
  for (int64_t i = 0; i < count; ++i) results[i] = matcher.matches(text_of(strings[i]));
  return DLC_OK;
}
