// Regular expressions in the syntax of RE2 (https://github.com/google/re2/wiki/Syntax), as programs of
// runtime/format/regex_program.h. Classes of Unicode properties (\p{Greek}) and \C are not supported.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/format/regex_program.h"

namespace dlc::ir {

inline constexpr uint32_t kLastCharacter = 0x10ffff;  // of Unicode

// Characters from first to last.
struct CharacterRange {
  uint32_t first;
  uint32_t last;
};
using CharacterSet = std::vector<CharacterRange>;

enum class RegexKind : uint8_t { kSet, kSequence, kChoice, kRepeat, kPlace };
struct RegexNode {
  RegexKind kind = RegexKind::kSequence;
  CharacterSet set = {};  // kSet: in order, apart from each other
  RegexPlace place = RegexPlace::kTextBegin;
  int least = 0;  // kRepeat
  int most = -1;  // kRepeat; -1: any number
  std::vector<std::unique_ptr<RegexNode>> parts = {};
};

// Error(kModel) that says what is wrong, and where.
std::unique_ptr<RegexNode> parse_regex(const std::string& pattern);
// Error(kModel) where the program becomes too long.
std::vector<RegexInstruction> compile_regex(const RegexNode& regex);

// Sets of characters.
CharacterSet merged(CharacterSet set);
CharacterSet negated(const CharacterSet& set);
// With the other cases of its letters.
CharacterSet folded(CharacterSet set);

}  // namespace dlc::ir
