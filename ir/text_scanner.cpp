#include "ir/text_scanner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "runtime/error.h"

namespace dlc::ir {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("_./:-$").find(c) != std::string_view::npos;
}

}  // namespace

void TextScanner::bad(std::string_view expected) {
  skip_space();
  auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
  std::string_view rest = text_.substr(at_, 30);
  rest = rest.substr(0, rest.find('\n'));
  fail(ErrorKind::kUsage, "line {} of the graph text: expected {}, found '{}'", line, expected, rest);
}

void TextScanner::skip_space() {
  while (at_ < text_.size()) {
    if (text_.substr(at_).starts_with("//")) {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (std::isspace(static_cast<unsigned char>(text_[at_]))) {
      ++at_;
    } else {
      return;
    }
  }
}

bool TextScanner::at_end() { return peek() == '\0'; }

char TextScanner::peek() {
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool TextScanner::starts_with(std::string_view text) {
  skip_space();
  return text_.substr(at_).starts_with(text);
}

bool TextScanner::accept(std::string_view symbol) {
  skip_space();
  if (!text_.substr(at_).starts_with(symbol)) return false;
  size_t end = at_ + symbol.size();
  if (is_word(symbol.back()) && end < text_.size() && is_word(text_[end])) return false;
  at_ = end;
  return true;
}

void TextScanner::expect(std::string_view symbol) {
  if (!accept(symbol)) bad(fmt::format("'{}'", symbol));
}

std::string TextScanner::word() {
  skip_space();
  size_t begin = at_;
  // A ':' that ends a name belongs to what follows: "%x: f32[]".
  while (at_ < text_.size() && is_word(text_[at_]) &&
         (text_[at_] != ':' || (at_ + 1 < text_.size() && is_word(text_[at_ + 1])))) {
    ++at_;
  }
  if (at_ == begin) bad("a name");
  return std::string(text_.substr(begin, at_ - begin));
}

std::string TextScanner::quoted() {
  expect("\"");
  std::string result;
  for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
    if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
      ++at_;
      result += text_[at_] == 'n' ? '\n' : text_[at_];
    } else {
      result += text_[at_];
    }
  }
  expect("\"");
  return result;
}

std::string TextScanner::word_or_quoted() { return peek() == '"' ? quoted() : word(); }

std::string TextScanner::value_name() {
  expect("%");
  return word_or_quoted();
}

std::string TextScanner::number() {
  skip_space();
  size_t begin = at_;
  while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) ||
                                std::string_view("+-.").find(text_[at_]) != std::string_view::npos)) {
    ++at_;
  }
  if (at_ == begin) bad("a number");
  return std::string(text_.substr(begin, at_ - begin));
}

std::string TextScanner::until(std::string_view stops) {
  skip_space();
  size_t begin = at_;
  int depth = 0;
  bool in_name = false;
  for (; at_ < text_.size(); ++at_) {
    char c = text_[at_];
    if (c == '\n') break;
    if (c == '`') in_name = !in_name;
    if (in_name) continue;
    if (depth == 0 && stops.find(c) != std::string_view::npos) break;
    if (c == '(' || c == '[') ++depth;
    if (c == ')' || c == ']') --depth;
  }
  return std::string(text_.substr(begin, at_ - begin));
}

Shape TextScanner::shape() {
  Shape result;
  expect("[");
  while (!accept("]")) {
    result.push_back(accept("?") ? Dim(kAnyExtent) : Dim::parse(until(",]")));
    if (peek() != ']') expect(",");
  }
  return result;
}

Type TextScanner::type() {
  std::string name = word();
  if (name == "seq" || name == "optional") {
    expect("(");
    Type element = type();
    expect(")");
    return name == "seq" ? Type::sequence(std::move(element)) : Type::optional(std::move(element));
  }
  if (name == "map") {
    expect("(");
    std::optional<DType> key = dtype_from_name(word());
    if (!key) bad("an element type");
    expect(",");
    Type value = type();
    expect(")");
    return Type::map(*key, std::move(value));
  }
  std::optional<DType> dtype = dtype_from_name(name);
  if (!dtype) bad("an element type before this");
  if (peek() != '[') return Type(TensorType{*dtype, {}, Ranks::kNone});
  if (accept("[...]")) return Type(TensorType{*dtype, {}, Ranks::kAny});
  return Type(*dtype, shape());
}

}  // namespace dlc::ir
