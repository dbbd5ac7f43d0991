// Regular expressions as programs: what the compiler makes of a pattern, and a runtime kernel runs on bytes.
#pragma once

#include <cstdint>

namespace dlc {

enum class RegexOp : int64_t {
  kMatch,   // the text matches where it ends here
  kBytes,   // one byte from a to b, then `next`
  kSplit,   // goes on at `next` and at a
  kAssert,  // goes on at `next` where the RegexPlace a is
};

enum class RegexPlace : int64_t {
  kTextBegin,
  kTextEnd,
  kLineBegin,
  kLineEnd,
  kWordBoundary,  // between an ASCII letter, digit or '_' and none
  kNoWordBoundary,
};

// Begins at instruction 0.
struct RegexInstruction {
  RegexOp op;
  int64_t a;
  int64_t b;
  int64_t next;
};

}  // namespace dlc
