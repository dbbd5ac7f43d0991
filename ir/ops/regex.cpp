// RegexFullMatch, and what a parsed pattern becomes.
#include "ir/ops/regex.h"

#include <algorithm>
#include <map>

#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/value_util.h"
#include "runtime/format/letter_case_tables.h"
#include "runtime/format/utf8.h"

namespace dlc::ir {
namespace {

// ---- Letters that differ in case only

template <size_t N>
void read_runs(const LetterRun (&runs)[N], std::map<uint32_t, uint32_t>& to) {
  for (const LetterRun& run : runs) {
    for (uint32_t c = run.first; c <= run.last; c += run.step) to[c] = c + static_cast<uint32_t>(run.offset);
  }
}

uint32_t find_or_same(const std::map<uint32_t, uint32_t>& map, uint32_t c) {
  auto it = map.find(c);
  return it == map.end() ? c : it->second;
}

// For each letter of several cases all of these.
const std::map<uint32_t, std::vector<uint32_t>>& letter_cases() {
  static const auto result = [] {
    std::map<uint32_t, uint32_t> lower, upper;
    read_runs(kLowerCase, lower);
    read_runs(kUpperCase, upper);
    std::map<uint32_t, std::vector<uint32_t>> by_key, cases;
    for (const auto* map : {&lower, &upper}) {
      for (const auto& [from, to] : *map) {
        for (uint32_t c : {from, to}) by_key[find_or_same(lower, find_or_same(upper, c))].push_back(c);
      }
    }
    for (auto& [key, letters] : by_key) {
      std::sort(letters.begin(), letters.end());
      letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
      for (uint32_t c : letters) cases[c] = letters;
    }
    return cases;
  }();
  return result;
}

// ---- Programs

class ProgramWriter {
 public:
  std::vector<RegexInstruction> write(const RegexNode& regex) {
    // Parts are written from the last to the first; the split that leads to the first is instruction 0.
    emit({RegexOp::kSplit, 0, 0, 0});
    const int64_t start = write(regex, emit({RegexOp::kMatch, 0, 0, 0}));
    program_[0].next = program_[0].a = start;
    return std::move(program_);
  }

 private:
  static constexpr size_t kMostInstructions = 100000;

  int64_t emit(RegexInstruction instruction) {
    if (program_.size() >= kMostInstructions)
      fail(ErrorKind::kModel, "the pattern needs more than {} instructions", kMostInstructions);
    program_.push_back(instruction);
    return static_cast<int64_t>(program_.size()) - 1;
  }

  // Code that goes on at `next`; returns where it begins.
  int64_t write(const RegexNode& node, int64_t next) {
    switch (node.kind) {
      case RegexKind::kPlace:
        return emit({RegexOp::kAssert, static_cast<int64_t>(node.place), 0, next});
      case RegexKind::kSequence:
        for (size_t i = node.parts.size(); i-- > 0;) next = write(*node.parts[i], next);
        return next;
      case RegexKind::kChoice: {
        int64_t start = write(*node.parts.back(), next);
        for (size_t i = node.parts.size() - 1; i-- > 0;)
          start = emit({RegexOp::kSplit, start, 0, write(*node.parts[i], next)});
        return start;
      }
      case RegexKind::kRepeat:
        return write_repeat(node, next);
      case RegexKind::kSet:
        return write_set(node.set, next);
    }
    return next;
  }

  int64_t write_repeat(const RegexNode& node, int64_t next) {
    const RegexNode& part = *node.parts[0];
    if (node.most < 0) {
      int64_t loop = emit({RegexOp::kSplit, next, 0, next});
      int64_t body = write(part, loop);
      program_[static_cast<size_t>(loop)].next = body;
      next = loop;
    } else {
      const int64_t end = next;
      for (int i = node.least; i < node.most; ++i) next = emit({RegexOp::kSplit, end, 0, write(part, next)});
    }
    for (int i = 0; i < node.least; ++i) next = write(part, next);
    return next;
  }

  // No character at all: a byte that is none.
  int64_t write_set(const CharacterSet& set, int64_t next) {
    int64_t start = -1;
    for (const CharacterRange& range : set) write_range(range, next, start);
    return start < 0 ? emit({RegexOp::kBytes, 1, 0, next}) : start;
  }

  // Parts whose encodings differ in each byte by a range of its own.
  void write_range(CharacterRange range, int64_t next, int64_t& start) {
    constexpr uint32_t kLasts[] = {0x7f, 0x7ff, 0xd7ff, 0xffff};  // of 1, 2, 3 bytes; surrogates are none
    if (range.first >= 0xd800 && range.first <= 0xdfff) range.first = 0xe000;
    if (range.last >= 0xd800 && range.last <= 0xdfff) range.last = 0xd7ff;
    if (range.first > range.last) return;
    for (uint32_t last : kLasts) {
      if (range.first > last || range.last <= last) continue;
      write_range({range.first, last}, next, start);
      return write_range({last + 1, range.last}, next, start);
    }
    for (uint32_t bits = 6; bits <= 18 && range.last > kLasts[0]; bits += 6) {
      const uint32_t tail = (1u << bits) - 1;
      if ((range.first & ~tail) == (range.last & ~tail)) continue;
      if ((range.first & tail) != 0) {
        write_range({range.first, range.first | tail}, next, start);
        return write_range({(range.first | tail) + 1, range.last}, next, start);
      }
      if ((range.last & tail) != tail) {
        write_range({range.first, (range.last & ~tail) - 1}, next, start);
        return write_range({range.last & ~tail, range.last}, next, start);
      }
    }
    write_bytes(range, next, start);
  }

  void write_bytes(CharacterRange range, int64_t next, int64_t& start) {
    char first[4], last[4];
    size_t count = write_utf8(range.first, first);
    write_utf8(range.last, last);
    for (size_t i = count; i-- > 0;) {
      next = emit(
          {RegexOp::kBytes, static_cast<unsigned char>(first[i]), static_cast<unsigned char>(last[i]), next});
    }
    start = start < 0 ? next : emit({RegexOp::kSplit, start, 0, next});
  }

  std::vector<RegexInstruction> program_;
};

// ---- RegexFullMatch

std::vector<RegexInstruction> program_of(const Node& node) {
  return compile_regex(*parse_regex(node.attribute<std::string>("pattern")));
}

void infer_full_match(InferContext& context) {
  if (context.dtype(0) != DType::kString)
    context.fail("input 0: expected strings, found {}", name(context.dtype(0)));
  program_of(context.node());
  context.set_output(0, Type(DType::kBool, context.shape(0)));
}

void lower_full_match(LowerContext& context) {
  const std::vector<RegexInstruction> program = program_of(context.node());
  const auto size = static_cast<int64_t>(program.size());
  Tensor table(DType::kInt64, {size, 4});
  for (size_t i = 0; i < program.size(); ++i) table.mutable_as<RegexInstruction>()[i] = program[i];
  static_assert(sizeof(RegexInstruction) == 4 * sizeof(int64_t));
  context.call({.symbol = "dlc_regex_full_match",
                .inputs = {context.dense(context.input(0)), context.constant(std::move(table), "pattern")},
                .outputs = {context.output(), context.temp(DType::kInt64, {size * 4}, "states")},
                .params = {}});
}

}  // namespace

CharacterSet merged(CharacterSet set) {
  std::sort(set.begin(), set.end(),
            [](const CharacterRange& a, const CharacterRange& b) { return a.first < b.first; });
  CharacterSet result;
  for (const CharacterRange& range : set) {
    if (!result.empty() && range.first <= result.back().last + 1) {
      result.back().last = std::max(result.back().last, range.last);
    } else {
      result.push_back(range);
    }
  }
  return result;
}

CharacterSet negated(const CharacterSet& set) {
  CharacterSet result;
  uint32_t next = 0;
  for (const CharacterRange& range : merged(set)) {
    if (range.first > next) result.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCharacter) result.push_back({next, kLastCharacter});
  return result;
}

CharacterSet folded(CharacterSet set) {
  const size_t count = set.size();
  const auto& cases = letter_cases();
  for (size_t i = 0; i < count; ++i) {
    auto end = cases.upper_bound(set[i].last);
    for (auto it = cases.lower_bound(set[i].first); it != end; ++it) {
      for (uint32_t c : it->second) set.push_back({c, c});
    }
  }
  return set;
}

std::vector<RegexInstruction> compile_regex(const RegexNode& regex) { return ProgramWriter().write(regex); }

std::vector<OpDef> regex_records() {
  return {{.name = "RegexFullMatch", .infer = infer_full_match, .lower = lower_full_match}};
}

}  // namespace dlc::ir
