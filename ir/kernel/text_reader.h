// Tokens of the text form of Kernel IR, and the expressions made of them.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>

#include "ir/kernel/kernel.h"
#include "runtime/error.h"

namespace dlc::ir {

enum class TokenKind : uint8_t { kEnd, kName, kNumber, kString, kSymbol };
struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;  // of a string: with its quotes
};

// Reads a text from left to right. Every fault is an Error(kUsage) naming the line.
class TextReader {
 public:
  explicit TextReader(std::string_view text) : text_(text) { advance(); }

  const Token& peek() const { return token_; }
  bool at_end() const { return token_.kind == TokenKind::kEnd; }
  bool is(std::string_view text) const { return token_.kind != TokenKind::kString && token_.text == text; }
  bool accept(std::string_view text);
  void expect(std::string_view text);
  std::string_view name(std::string_view what);
  std::string string();
  int64_t integer();
  std::string_view number();  // digits, a fraction and an exponent, inf, nan; with its sign

  // Raw text from behind the current `{` or `[`, which is read, to the `}` or `]` that matches it.
  std::string_view bracketed();
  // A number, or a Dim in braces.
  Dim dim();
  // "[2, n + 1]" as a shape.
  Shape shape();
  // A symbol as Dims write it.
  std::string symbol();

  template <class... Args>
  [[noreturn]] void fail_here(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::kUsage, "line {}: {}", line(), fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  void advance();
  size_t line() const;

  std::string_view text_;
  size_t position_ = 0;  // behind the token
  Token token_;
};

// The expressions of one program: types of buffers and variables come from their declarations.
class ExprReader {
 public:
  ExprReader(TextReader& reader, const Program& program) : reader_(reader), program_(program) {}

  Expr expression();
  std::vector<Expr> index();  // "[v0, 1]"
  BufferId buffer();          // "%3" of a declared buffer; "none"
  VarId variable();           // "v3", declared or not
  void declare(VarId id, DType type) { types_[id] = type; }
  DType type();
  int32_t next_var() const { return next_var_; }

 private:
  Expr sum();
  Expr product();
  Expr primary();
  Expr number();
  Expr call(std::string_view function);
  DType type_suffix(DType otherwise);
  Expr infix(ExprOp op, Expr a, Expr b);

  TextReader& reader_;
  const Program& program_;
  std::map<VarId, DType> types_;
  int32_t next_var_ = 0;
};

}  // namespace dlc::ir
