#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>

#include "ir/ops/regex.h"
#include "runtime/error.h"
#include "runtime/format/utf8.h"

namespace dlc::ir {
namespace {

using NodePointer = std::unique_ptr<RegexNode>;

struct NamedSet {
  std::string_view name;
  CharacterSet set;
};

const CharacterSet kDigits = {{'0', '9'}};
const CharacterSet kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CharacterSet kSpace = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};

// Of [[:name:]].
const NamedSet kNamedSets[] = {
    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
    {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
    {"ascii", {{0, 0x7f}}},
    {"blank", {{'\t', '\t'}, {' ', ' '}}},
    {"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}},
    {"digit", kDigits},
    {"graph", {{'!', '~'}}},
    {"lower", {{'a', 'z'}}},
    {"print", {{' ', '~'}}},
    {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
    {"space", {{'\t', '\r'}, {' ', ' '}}},
    {"upper", {{'A', 'Z'}}},
    {"word", kWord},
    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
};

struct Flags {
  bool any_case = false;      // i
  bool lines = false;         // m
  bool dot_has_line = false;  // s
};

NodePointer make_node(RegexKind kind) {
  auto node = std::make_unique<RegexNode>();
  node->kind = kind;
  return node;
}

void add(CharacterSet& to, const CharacterSet& more) { to.insert(to.end(), more.begin(), more.end()); }

class Parser {
 public:
  explicit Parser(const std::string& pattern) : text_(pattern) {
    if (!is_utf8(pattern.data(), pattern.size())) fail(ErrorKind::kModel, "the pattern is not UTF-8");
  }

  NodePointer parse() {
    NodePointer result = choice();
    if (!at_end()) bad("unexpected )");
    return result;
  }

 private:
  [[noreturn]] void bad(std::string_view what) const {
    fail(ErrorKind::kModel, "pattern '{}': {} at position {}", text_, what, at_);
  }

  bool at_end() const { return at_ >= text_.size(); }
  bool starts_with(std::string_view text) const {
    return std::string_view(text_).substr(at_).starts_with(text);
  }
  bool accept(std::string_view text) {
    if (!starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  uint32_t character() {
    if (at_end()) bad("unexpected end");
    Utf8Character next = utf8_character(text_.data() + at_, text_.size() - at_);
    at_ += next.bytes;
    return next.code;
  }

  NodePointer choice() {
    constexpr int kMaxDepth = 200;
    if (++depth_ > kMaxDepth) bad("too many nested groups");
    const Flags outer = flags_;
    NodePointer result = make_node(RegexKind::kChoice);
    do {
      result->parts.push_back(sequence());
    } while (accept("|"));
    flags_ = outer;
    --depth_;
    return result;
  }

  NodePointer sequence() {
    NodePointer result = make_node(RegexKind::kSequence);
    while (!at_end() && !starts_with("|") && !starts_with(")")) {
      if (accept("\\Q")) {
        quoted(*result);
        continue;
      }
      NodePointer part = atom();
      if (part != nullptr) result->parts.push_back(repeated(std::move(part)));
    }
    return result;
  }

  // Characters up to \E or the end; an operator behind them concerns the last.
  void quoted(RegexNode& sequence) {
    while (!at_end() && !accept("\\E")) {
      sequence.parts.push_back(literal(character()));
      if (!accept("\\E")) continue;
      NodePointer last = std::move(sequence.parts.back());
      sequence.parts.back() = repeated(std::move(last));
      return;
    }
  }

  NodePointer repeated(NodePointer part) {
    int least = 0, most = 0;
    if (!repetition(least, most)) return part;
    accept("?");  // prefers fewer: the same for a full match
    size_t before = at_;
    if (repetition(least_ignored_, least_ignored_)) {
      at_ = before;
      bad("a repetition of a repetition");
    }
    NodePointer result = make_node(RegexKind::kRepeat);
    result->least = least;
    result->most = most;
    result->parts.push_back(std::move(part));
    return result;
  }

  bool repetition(int& least, int& most) {
    if (accept("*")) return least = 0, most = -1, true;
    if (accept("+")) return least = 1, most = -1, true;
    if (accept("?")) return least = 0, most = 1, true;
    return counted(least, most);
  }

  // {n}, {n,} or {n,m}; anything else is the character '{'.
  bool counted(int& least, int& most) {
    constexpr int kMostRepeats = 1000;
    size_t before = at_;
    std::optional<int> first, second;
    bool open = false;
    if (accept("{")) {
      first = number();
      open = first && accept(",");
      if (open) second = number();
    }
    if (!first || !accept("}")) {
      at_ = before;
      return false;
    }
    least = *first;
    most = !open ? *first : second.value_or(-1);
    if (least > kMostRepeats || most > kMostRepeats || (most >= 0 && most < least))
      bad("a repetition beyond 1000 or from more to less");
    return true;
  }

  std::optional<int> number() {
    constexpr int kLimit = 100000;
    if (at_end() || text_[at_] < '0' || text_[at_] > '9') return std::nullopt;
    int value = 0;
    for (; !at_end() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      value = std::min(kLimit, value * 10 + (text_[at_] - '0'));
    return value;
  }

  CharacterSet in_flags_case(CharacterSet set) const {
    return flags_.any_case ? folded(std::move(set)) : set;
  }
  NodePointer set_node(CharacterSet set) const {
    NodePointer node = make_node(RegexKind::kSet);
    node->set = merged(in_flags_case(std::move(set)));
    return node;
  }
  NodePointer literal(uint32_t code) const { return set_node({{code, code}}); }
  static NodePointer place_node(RegexPlace place) {
    NodePointer node = make_node(RegexKind::kPlace);
    node->place = place;
    return node;
  }

  // Null for flags, which stand for nothing.
  NodePointer atom() {
    if (accept("(")) return group();
    if (accept("[")) return set_node(bracket());
    if (accept(".")) {
      return set_node(flags_.dot_has_line ? CharacterSet{{0, kLastCharacter}}
                                          : CharacterSet{{0, '\n' - 1}, {'\n' + 1, kLastCharacter}});
    }
    if (accept("^")) return place_node(flags_.lines ? RegexPlace::kLineBegin : RegexPlace::kTextBegin);
    if (accept("$")) return place_node(flags_.lines ? RegexPlace::kLineEnd : RegexPlace::kTextEnd);
    if (accept("\\")) return escape();
    int least = 0, most = 0;
    if (repetition(least, most)) bad("a repetition of nothing");
    return literal(character());
  }

  NodePointer group() {
    const Flags outer = flags_;
    if (accept("?P<") || accept("?<")) {
      size_t end = text_.find('>', at_);
      std::string_view name = std::string_view(text_).substr(at_, end == std::string::npos ? 0 : end - at_);
      bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return is_word_character(static_cast<unsigned char>(c));
      });
      if (!is_name) bad("a group without a proper name");
      at_ = end + 1;
    } else if (accept("?")) {
      if (group_flags()) return nullptr;
    }
    NodePointer inner = choice();
    if (!accept(")")) bad("a group without end");
    flags_ = outer;
    return inner;
  }

  static bool is_word_character(uint32_t c) {
    return std::any_of(kWord.begin(), kWord.end(),
                       [c](const CharacterRange& range) { return c >= range.first && c <= range.last; });
  }

  // After "(?". True where the flags stand alone: they hold to the end of the group around them.
  bool group_flags() {
    bool value = true;
    bool any = false;
    while (true) {
      uint32_t c = character();
      if (c == ':' || c == ')') {
        if (c == ')' && !any) bad("a group of flags without flags");
        return c == ')';
      }
      any = true;
      if (c == '-' && value) {
        value = false;
      } else if (c == 'i') {
        flags_.any_case = value;
      } else if (c == 'm') {
        flags_.lines = value;
      } else if (c == 's') {
        flags_.dot_has_line = value;
      } else if (c != 'U') {
        bad("an unknown flag or kind of group");
      }
    }
  }

  NodePointer escape() {
    if (accept("A")) return place_node(RegexPlace::kTextBegin);
    if (accept("z")) return place_node(RegexPlace::kTextEnd);
    if (accept("b")) return place_node(RegexPlace::kWordBoundary);
    if (accept("B")) return place_node(RegexPlace::kNoWordBoundary);
    if (auto set = escaped_set()) return set_node(*set);
    return literal(escaped_character());
  }

  // After a backslash: \d and its like.
  std::optional<CharacterSet> escaped_set() {
    struct Row {
      const char* name;
      const CharacterSet& set;
      bool negates;
    };
    const Row rows[] = {{"d", kDigits, false}, {"D", kDigits, true}, {"w", kWord, false},
                        {"W", kWord, true},    {"s", kSpace, false}, {"S", kSpace, true}};
    for (const Row& row : rows) {
      if (accept(row.name)) return row.negates ? negated(in_flags_case(row.set)) : row.set;
    }
    if (starts_with("p") || starts_with("P"))
      bad("classes of Unicode properties are not supported; found one");
    if (starts_with("C")) bad("\\C is not supported; found one");
    return std::nullopt;
  }

  uint32_t escaped_character() {
    uint32_t c = character();
    constexpr std::string_view kLetters = "aftnrv";
    constexpr std::string_view kMeaning = "\a\f\t\n\r\v";
    if (size_t i = kLetters.find(static_cast<char>(c)); c < 0x80 && i != std::string_view::npos)
      return static_cast<uint32_t>(kMeaning[i]);
    if (c == 'x') return hexadecimal();
    if (c >= '0' && c <= '7') return octal(c - '0');
    if (c >= 0x80 || is_word_character(c)) bad("an unknown escape sequence");
    return c;
  }

  // \123; a single digit other than 0 would be a back reference.
  uint32_t octal(uint32_t first) {
    uint32_t code = first;
    int digits = 1;
    for (; digits < 3 && !at_end() && text_[at_] >= '0' && text_[at_] <= '7'; ++digits, ++at_)
      code = code * 8 + static_cast<uint32_t>(text_[at_] - '0');
    if (first != 0 && digits == 1) bad("a back reference");
    return code;
  }

  uint32_t hexadecimal() {
    bool braces = accept("{");
    uint32_t code = 0;
    int digits = 0;
    for (; !at_end() && (braces || digits < 2); ++digits, ++at_) {
      const int letter = std::tolower(static_cast<unsigned char>(text_[at_]));
      if (std::isxdigit(letter) == 0 || code > kLastCharacter) break;
      code = code * 16 + static_cast<uint32_t>(letter <= '9' ? letter - '0' : letter - 'a' + 10);
    }
    bool is_whole = braces ? digits > 0 && accept("}") : digits == 2;
    if (!is_whole || code > kLastCharacter) bad("an invalid \\x");
    return code;
  }

  // After "[".
  CharacterSet bracket() {
    bool negates = accept("^");
    CharacterSet set;
    bool first = true;
    while (first || !accept("]")) {
      if (at_end()) bad("a class without end");
      first = false;
      if (starts_with("[:")) {
        add(set, named_set());
      } else if (auto escaped = escaped_set_in_bracket()) {
        add(set, *escaped);
      } else {
        add(set, {range_in_bracket()});
      }
    }
    return negates ? negated(in_flags_case(std::move(set))) : set;
  }

  std::optional<CharacterSet> escaped_set_in_bracket() {
    if (!starts_with("\\")) return std::nullopt;
    ++at_;
    auto set = escaped_set();
    if (!set) --at_;
    return set;
  }

  CharacterSet named_set() {
    accept("[:");
    bool negates = accept("^");
    for (const NamedSet& named : kNamedSets) {
      if (accept(std::string(named.name) + ":]"))
        return negates ? negated(in_flags_case(named.set)) : named.set;
    }
    bad("an unknown class of characters");
  }

  uint32_t character_in_bracket() { return accept("\\") ? escaped_character() : character(); }

  CharacterRange range_in_bracket() {
    uint32_t first = character_in_bracket();
    bool is_range = starts_with("-") && at_ + 1 < text_.size() && text_[at_ + 1] != ']';
    if (!is_range) return {first, first};
    ++at_;
    uint32_t last = character_in_bracket();
    if (last < first) bad("a range from more to less");
    return {first, last};
  }

  const std::string& text_;
  size_t at_ = 0;
  int depth_ = 0;
  int least_ignored_ = 0;
  Flags flags_;
};

}  // namespace

NodePointer parse_regex(const std::string& pattern) { return Parser(pattern).parse(); }

}  // namespace dlc::ir
