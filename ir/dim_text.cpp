// The text form of Dims.
#include <fmt/format.h>

#include <cctype>
#include <charconv>

#include "ir/dim.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

constexpr std::string_view kFloorDiv = "floordiv";
constexpr std::string_view kCeilDiv = "ceildiv";
constexpr std::string_view kMod = "mod";
constexpr std::string_view kMin = "min";
constexpr std::string_view kMax = "max";
constexpr std::string_view kBroadcast = "bcast";

bool starts_name(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$'; }
bool continues_name(char c) {
  return starts_name(c) || std::isdigit(static_cast<unsigned char>(c)) || c == '.';
}

bool is_plain_name(std::string_view name) {
  if (name.empty() || !starts_name(name[0])) return false;
  for (char c : name) {
    if (!continues_name(c)) return false;
  }
  return true;
}

std::string quote(std::string_view name) {
  if (is_plain_name(name)) return std::string(name);
  std::string result = "`";
  for (char c : name) {
    if (c == '`' || c == '\\') result += '\\';
    result += c;
  }
  return result + "`";
}

std::string_view name_of(DimFunction function) {
  switch (function) {
    case DimFunction::kSymbol:
      break;
    case DimFunction::kFloorDiv:
      return kFloorDiv;
    case DimFunction::kMin:
      return kMin;
    case DimFunction::kMax:
      return kMax;
    case DimFunction::kBroadcast:
      return kBroadcast;
  }
  fail(ErrorKind::kInternal, "a function of extents that is none");
}

std::string atom_text(const Dim::Atom& atom) {
  if (atom.function == DimFunction::kSymbol) return quote(atom.symbol);
  return fmt::format("{}({}, {})", name_of(atom.function), atom.args[0].to_string(),
                     atom.args[1].to_string());
}

class DimParser {
 public:
  explicit DimParser(std::string_view text) : text_(text) {}

  Dim parse() {
    Dim result = sum();
    skip_space();
    if (at_ < text_.size()) bad("the end");
    return result;
  }

 private:
  static constexpr int kMaxDepth = 64;

  [[noreturn]] void bad(std::string_view expected) {
    fail(ErrorKind::kUsage, "in the extent \"{}\" at position {}: expected {}", text_, at_, expected);
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }

  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) bad(fmt::format("'{}'", c));
  }

  Dim sum() {
    if (++depth_ > kMaxDepth) bad("less nesting");
    Dim result = product();
    while (true) {
      if (accept('+')) {
        result += product();
      } else if (accept('-')) {
        result = result - product();
      } else {
        --depth_;
        return result;
      }
    }
  }

  Dim product() {
    Dim result = factor();
    while (accept('*')) result *= factor();
    return result;
  }

  Dim factor() {
    bool negative = false;
    while (accept('-')) negative = !negative;
    Dim result = primary();
    return negative ? -result : result;
  }

  Dim primary() {
    skip_space();
    if (accept('(')) {
      Dim result = sum();
      expect(')');
      return result;
    }
    if (at_ >= text_.size()) bad("a number or a name");
    if (text_[at_] == '`') return Dim::symbol(quoted());
    if (std::isdigit(static_cast<unsigned char>(text_[at_]))) return number();
    if (!starts_name(text_[at_])) bad("a number or a name");
    size_t begin = at_;
    while (at_ < text_.size() && continues_name(text_[at_])) ++at_;
    std::string name(text_.substr(begin, at_ - begin));
    return accept('(') ? call(name) : Dim::symbol(name);
  }

  Dim call(std::string_view name) {
    Dim a = sum();
    expect(',');
    Dim b = sum();
    expect(')');
    if (name == kFloorDiv) return floor_div(a, b);
    if (name == kCeilDiv) return ceil_div(a, b);
    if (name == kMod) return mod(a, b);
    if (name == kMin) return min(a, b);
    if (name == kMax) return max(a, b);
    if (name == kBroadcast) return broadcast(a, b);
    bad("a known function");
  }

  Dim number() {
    int64_t value = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) bad("a 64-bit number");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }

  std::string quoted() {
    std::string name;
    for (++at_; at_ < text_.size() && text_[at_] != '`'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      name += text_[at_];
    }
    expect('`');
    if (name.empty()) bad("a name");
    return name;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string Dim::to_string() const {
  std::string result;
  auto append = [&](int64_t coefficient, const std::string& factors) {
    bool negative = coefficient < 0;
    if (!result.empty()) {
      result += negative ? " - " : " + ";
    } else if (negative) {
      result += "-";
    }
    uint64_t magnitude =
        negative ? uint64_t{0} - static_cast<uint64_t>(coefficient) : static_cast<uint64_t>(coefficient);
    if (factors.empty()) {
      result += fmt::format("{}", magnitude);
    } else {
      result += magnitude == 1 ? factors : fmt::format("{}*{}", magnitude, factors);
    }
  };
  for (const Term& term : terms_) {
    std::string factors;
    for (const AtomRef& atom : term.atoms) factors += (factors.empty() ? "" : "*") + atom_text(*atom);
    append(term.coefficient, factors);
  }
  if (constant_ != 0 || terms_.empty()) append(constant_, "");
  return result;
}

Dim Dim::parse(std::string_view text) { return DimParser(text).parse(); }

std::string to_string(const Shape& shape) {
  std::string result = "[";
  for (size_t i = 0; i < shape.size(); ++i) result += (i == 0 ? "" : ", ") + shape[i].to_string();
  return result + "]";
}

}  // namespace dlc::ir
