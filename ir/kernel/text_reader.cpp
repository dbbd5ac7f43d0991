#include "ir/kernel/text_reader.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>

#include "ir/kernel/element.h"
#include "ir/kernel/names.h"

namespace dlc::ir {

namespace {

bool starts_name(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool continues_name(char c) { return starts_name(c) || std::isdigit(static_cast<unsigned char>(c)); }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)); }

// The length of the number at the start of the text: "1", "1.5", "2e-3"; "1..2" is 1.
size_t number_length(std::string_view text) {
  size_t i = 0;
  const auto digits = [&] {
    while (i < text.size() && is_digit(text[i])) ++i;
  };
  digits();
  if (i + 1 < text.size() && text[i] == '.' && is_digit(text[i + 1])) {
    ++i;
    digits();
  }
  if (i + 1 < text.size() && text[i] == 'e') {
    const size_t sign = text[i + 1] == '-' || text[i + 1] == '+' ? 1 : 0;
    if (i + 1 + sign < text.size() && is_digit(text[i + 1 + sign])) {
      i += 1 + sign;
      digits();
    }
  }
  return i;
}

constexpr std::string_view kPairs[] = {"..", "->", "==", "!=", "<=", ">="};

}  // namespace

void TextReader::advance() {
  while (position_ < text_.size()) {
    if (std::isspace(static_cast<unsigned char>(text_[position_]))) {
      ++position_;
    } else if (text_.substr(position_, 2) == "//") {
      position_ = std::min(text_.find('\n', position_), text_.size());
    } else {
      break;
    }
  }
  const std::string_view rest = text_.substr(position_);
  size_t length = rest.empty() ? 0 : 1;
  TokenKind kind = rest.empty() ? TokenKind::kEnd : TokenKind::kSymbol;
  if (rest.empty()) {
  } else if (starts_name(rest[0])) {
    kind = TokenKind::kName;
    while (length < rest.size() && continues_name(rest[length])) ++length;
  } else if (is_digit(rest[0])) {
    kind = TokenKind::kNumber;
    length = number_length(rest);
  } else if (rest[0] == '"') {
    kind = TokenKind::kString;
    while (length < rest.size() && rest[length] != '"') length += rest[length] == '\\' ? 2 : 1;
    if (length >= rest.size()) fail_here("a string without end");
    ++length;
  } else if (std::find(std::begin(kPairs), std::end(kPairs), rest.substr(0, 2)) != std::end(kPairs)) {
    length = 2;
  }
  token_ = {kind, rest.substr(0, length)};
  position_ += length;
}

size_t TextReader::line() const {
  return 1 + static_cast<size_t>(
                 std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(position_), '\n'));
}

bool TextReader::accept(std::string_view text) {
  if (!is(text)) return false;
  advance();
  return true;
}

void TextReader::expect(std::string_view text) {
  if (!accept(text)) fail_here("expected '{}', found '{}'", text, token_.text);
}

std::string_view TextReader::name(std::string_view what) {
  if (token_.kind != TokenKind::kName) fail_here("expected {}, found '{}'", what, token_.text);
  const std::string_view result = token_.text;
  advance();
  return result;
}

std::string TextReader::string() {
  if (token_.kind != TokenKind::kString) fail_here("expected a string, found '{}'", token_.text);
  const std::string_view raw = token_.text.substr(1, token_.text.size() - 2);
  std::string result;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '\\' && i + 1 < raw.size()) {
      result += raw[i + 1] == 'n' ? '\n' : raw[i + 1];
      ++i;
    } else {
      result += raw[i];
    }
  }
  advance();
  return result;
}

std::string_view TextReader::number() {
  const char* begin = token_.text.data();
  const bool negative = accept("-");
  if (token_.kind != TokenKind::kNumber && !is("inf") && !is("nan")) {
    fail_here("expected a number, found '{}'", token_.text);
  }
  const std::string_view digits = token_.text;
  advance();
  if (!negative) return digits;
  if (digits.data() != begin + 1) fail_here("a sign apart from its number");
  return {begin, digits.size() + 1};
}

int64_t TextReader::integer() {
  const std::string_view text = number();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    fail_here("expected an integer, found '{}'", text);
  return value;
}

std::string_view TextReader::bracketed() {
  const char open = token_.text.empty() ? ' ' : token_.text[0];
  if (open != '{' && open != '[') fail_here("expected a bracket, found '{}'", token_.text);
  const size_t begin = position_;
  int depth = 1;
  bool quoted = false;  // between backquotes, as Dims write unusual names
  for (; position_ < text_.size(); ++position_) {
    const char c = text_[position_];
    if (quoted && c == '\\') ++position_;
    if (c == '`') quoted = !quoted;
    if (quoted) continue;
    depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    if (depth == 0) break;
  }
  if (position_ >= text_.size()) fail_here("a bracket without end");
  const std::string_view inner = text_.substr(begin, position_ - begin);
  ++position_;
  advance();
  return inner;
}

Dim TextReader::dim() { return is("{") ? Dim::parse(bracketed()) : Dim(integer()); }

Shape TextReader::shape() {
  const std::string_view text = bracketed();
  Shape result;
  int depth = 0;
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    if (c == '`') quoted = !quoted;
    if (quoted && i < text.size()) continue;
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c != ',' || depth != 0) continue;
    const std::string_view item = text.substr(begin, i - begin);
    if (item.find_first_not_of(' ') != std::string_view::npos) result.push_back(Dim::parse(item));
    begin = i + 1;
  }
  return result;
}

std::string TextReader::symbol() {
  // The rules of Dims for names are wider than those of this text.
  const size_t begin = static_cast<size_t>(token_.text.data() - text_.data());
  size_t end = begin;
  if (end < text_.size() && text_[end] == '`') {
    for (++end; end < text_.size() && text_[end] != '`'; ++end) end += text_[end] == '\\' ? 1 : 0;
    ++end;
  } else {
    while (end < text_.size() && (continues_name(text_[end]) || text_[end] == '$' || text_[end] == '.'))
      ++end;
  }
  const Dim parsed = Dim::parse(text_.substr(begin, end - begin));
  if (!parsed.is_symbol()) fail_here("expected a symbol, found '{}'", token_.text);
  position_ = end;
  advance();
  return parsed.symbol_name();
}

DType ExprReader::type() {
  const std::string_view text = reader_.name("an element type");
  const std::optional<DType> type = dtype_from_name(text);
  if (!type) reader_.fail_here("expected an element type, found '{}'", text);
  return *type;
}

DType ExprReader::type_suffix(DType otherwise) { return reader_.accept(":") ? type() : otherwise; }

BufferId ExprReader::buffer() {
  if (reader_.accept("none")) return BufferId::kNone;
  reader_.expect("%");
  const int64_t id = reader_.integer();
  if (id < 0 || id >= static_cast<int64_t>(program_.buffers.size()))
    reader_.fail_here("unknown buffer %{}", id);
  return static_cast<BufferId>(id);
}

VarId ExprReader::variable() {
  const std::string_view text = reader_.name("a variable");
  int32_t id = -1;
  std::from_chars(text.data() + 1, text.data() + text.size(), id);
  if (text[0] != 'v' || id < 0) reader_.fail_here("expected a variable, found '{}'", text);
  next_var_ = std::max(next_var_, id + 1);
  return static_cast<VarId>(id);
}

std::vector<Expr> ExprReader::index() {
  std::vector<Expr> result;
  reader_.expect("[");
  while (!reader_.accept("]")) {
    if (!result.empty()) reader_.expect(",");
    result.push_back(expression());
    if (result.back().type() != DType::kInt64) reader_.fail_here("an index that is no i64");
  }
  return result;
}

Expr ExprReader::infix(ExprOp op, Expr a, Expr b) {
  if (a.type() != b.type()) {
    reader_.fail_here("'{}' of {} and {}", dlc::ir::name(op), dlc::name(a.type()), dlc::name(b.type()));
  }
  const DType type = is_comparison(op) ? DType::kBool : a.type();
  return make(op, type, {std::move(a), std::move(b)});
}

Expr ExprReader::expression() {
  const Expr left = sum();
  for (ExprOp op : {ExprOp::kEq, ExprOp::kNe, ExprOp::kLt, ExprOp::kLe, ExprOp::kGt, ExprOp::kGe}) {
    if (reader_.accept(dlc::ir::name(op))) return infix(op, left, sum());
  }
  return left;
}

Expr ExprReader::sum() {
  Expr left = product();
  while (reader_.is("+") || reader_.is("-")) {
    const ExprOp op = reader_.accept("+") ? ExprOp::kAdd : (reader_.expect("-"), ExprOp::kSub);
    left = infix(op, left, product());
  }
  return left;
}

Expr ExprReader::product() {
  Expr left = primary();
  while (reader_.is("*") || reader_.is("/")) {
    const ExprOp op = reader_.accept("*") ? ExprOp::kMul : (reader_.expect("/"), ExprOp::kDiv);
    left = infix(op, left, primary());
  }
  return left;
}

Expr ExprReader::number() {
  const std::string text(reader_.number());
  const bool real_number = text.find_first_of(".enf") != std::string::npos;
  if (real_number) {
    const DType result = type_suffix(DType::kFloat);
    // A float is read as one, so that it is rounded once.
    const double value =
        result == DType::kFloat ? std::strtof(text.c_str(), nullptr) : std::strtod(text.c_str(), nullptr);
    return real(value, result);
  }
  const DType result = type_suffix(DType::kInt64);
  if (is_real(result)) return real(std::strtod(text.c_str(), nullptr), result);
  if (text[0] == '-') return integer(std::strtoll(text.c_str(), nullptr, 10), result);
  return integer(static_cast<int64_t>(std::strtoull(text.c_str(), nullptr, 10)), result);
}

Expr ExprReader::primary() {
  const Token token = reader_.peek();
  if (token.kind == TokenKind::kNumber || reader_.is("-") || reader_.is("inf") || reader_.is("nan"))
    return number();
  if (reader_.is("{")) return dim(Dim::parse(reader_.bracketed()));
  if (reader_.accept("(")) {
    const Expr inner = expression();
    reader_.expect(")");
    return inner;
  }
  if (reader_.is("%")) {
    const BufferId id = buffer();
    return load(id, program_.buffer(id).dtype, index());
  }
  if (reader_.accept("true")) return boolean(true);
  if (reader_.accept("false")) return boolean(false);
  if (token.kind == TokenKind::kName && token.text[0] == 'v' && token.text.size() > 1 &&
      is_digit(token.text[1])) {
    const VarId id = variable();
    const auto it = types_.find(id);
    if (it == types_.end()) reader_.fail_here("variable '{}' is not declared", token.text);
    return var(id, it->second);
  }
  return call(reader_.name("an expression"));
}

Expr ExprReader::call(std::string_view function) {
  constexpr std::string_view kBitcast = "bitcast_";
  std::vector<Expr> args;
  reader_.expect("(");
  while (!reader_.accept(")")) {
    if (!args.empty()) reader_.expect(",");
    args.push_back(expression());
  }
  const bool bits = function.starts_with(kBitcast);
  const std::optional<DType> target = dtype_from_name(bits ? function.substr(kBitcast.size()) : function);
  const std::optional<ExprOp> op =
      target ? (bits ? ExprOp::kBitcast : ExprOp::kCast) : value_in(expr_op_names(), function);
  if (!op) reader_.fail_here("unknown function '{}'", function);
  if (arity_of(*op) != static_cast<int>(args.size())) {
    reader_.fail_here("'{}' takes {} arguments, found {}", function, arity_of(*op), args.size());
  }
  if (target) return make(*op, *target, std::move(args));
  const size_t first = *op == ExprOp::kSelect ? 1 : 0;
  for (const Expr& arg : args) {
    if (&arg - args.data() >= static_cast<ptrdiff_t>(first) && arg.type() != args[first].type()) {
      reader_.fail_here("'{}' of arguments of several types", function);
    }
  }
  const bool test = *op == ExprOp::kIsNan || *op == ExprOp::kIsInf;
  const DType result = test ? DType::kBool : args[first].type();
  return make(*op, result, std::move(args));
}

}  // namespace dlc::ir
