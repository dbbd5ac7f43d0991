#include <fmt/format.h>

#include <cmath>

#include "ir/kernel/element.h"
#include "ir/kernel/names.h"
#include "ir/kernel/print.h"

namespace dlc::ir {

namespace {

constexpr int64_t kInlineElements = 16;

enum Precedence { kComparison, kSum, kProduct, kPrimary };

bool is_infix(ExprOp op) { return (op >= ExprOp::kAdd && op <= ExprOp::kDiv) || is_comparison(op); }

Precedence precedence_of(ExprOp op) {
  if (is_comparison(op)) return kComparison;
  if (op == ExprOp::kAdd || op == ExprOp::kSub) return kSum;
  return is_infix(op) ? kProduct : kPrimary;
}

std::string text_of(const Expr& e);

// `minimum` is the least precedence that needs no parentheses.
std::string operand_text(const Expr& e, int minimum) {
  const std::string text = text_of(e);
  return precedence_of(e->op) < minimum ? "(" + text + ")" : text;
}

std::string float_text(DType type, double value) {
  std::string text = number_text(type, scalar_of_real(value));
  if (std::isfinite(value) && text.find_first_of(".e") == std::string::npos) text += ".0";
  return type == DType::kFloat ? text : fmt::format("{}:{}", text, dlc::name(type));
}

std::string int_text(DType type, int64_t value) {
  const std::string text = number_text(type, scalar_of(value));
  const bool plain = type == DType::kInt64 || type == DType::kBool;
  return plain ? text : fmt::format("{}:{}", text, dlc::name(type));
}

std::string call_text(std::string_view function, const std::vector<Expr>& args) {
  std::string text(function);
  for (size_t i = 0; i < args.size(); ++i) text += (i == 0 ? "(" : ", ") + text_of(args[i]);
  return text + ")";
}

std::string text_of(const Expr& e) {
  switch (e->op) {
    case ExprOp::kInt:
      return int_text(e->type, e->integer);
    case ExprOp::kFloat:
      return float_text(e->type, e->real);
    case ExprOp::kVar:
      return var_text(e->var);
    case ExprOp::kDim:
      return "{" + e->dim.to_string() + "}";
    case ExprOp::kLoad:
      return index_text(e->buffer, e->args);
    case ExprOp::kCast:
      return call_text(dlc::name(e->type), e->args);
    case ExprOp::kBitcast:
      return call_text(fmt::format("bitcast_{}", dlc::name(e->type)), e->args);
    default:
      break;
  }
  if (!is_infix(e->op)) return call_text(name(e->op), e->args);
  const int level = precedence_of(e->op);
  const int left = level == kComparison ? kSum : level;  // comparisons do not chain
  return fmt::format("{} {} {}", operand_text(e->args[0], left), name(e->op),
                     operand_text(e->args[1], level + 1));
}

}  // namespace

std::string to_string(const Expr& e) { return e ? text_of(e) : "none"; }

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string number_text(DType type, Scalar value) {
  if (type == DType::kBool) return value.integer != 0 ? "true" : "false";
  if (type == DType::kUint64) return fmt::format("{}", static_cast<uint64_t>(value.integer));
  if (!is_real(type)) return fmt::format("{}", value.integer);
  if (std::isnan(value.real)) return "nan";
  return type == DType::kFloat ? fmt::format("{}", static_cast<float>(value.real))
                               : fmt::format("{}", value.real);
}

std::string dim_text(const Dim& dim) {
  return dim.is_constant() ? dim.to_string() : "{" + dim.to_string() + "}";
}

std::string buffer_text(BufferId id) {
  return id == BufferId::kNone ? "none" : fmt::format("%{}", static_cast<int>(id));
}

std::string var_text(VarId id) { return fmt::format("v{}", static_cast<int>(id)); }

std::string index_text(BufferId buffer, const std::vector<Expr>& index) {
  std::string text = buffer_text(buffer) + "[";
  for (size_t i = 0; i < index.size(); ++i) text += (i == 0 ? "" : ", ") + text_of(index[i]);
  return text + "]";
}

std::string constant_text(const Tensor& tensor) {
  const DType type = tensor.dtype();
  const bool number = is_float(type) || is_integer(type) || type == DType::kBool;
  if (number && tensor.size() <= kInlineElements) {
    std::string text = "{";
    for (int64_t i = 0; i < tensor.size(); ++i) {
      text += (i == 0 ? "" : ", ") + number_text(type, read_element(tensor.data(), type, i));
    }
    return text + "}";
  }
  // FNV-1a: stable over platforms, which std::hash is not.
  uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&hash](const char* bytes, size_t count) {
    for (size_t i = 0; i < count; ++i) hash = (hash ^ static_cast<unsigned char>(bytes[i])) * 0x100000001b3u;
  };
  if (type == DType::kString) {
    for (const std::string& s : tensor.strings()) add(s.c_str(), s.size() + 1);
  } else {
    add(tensor.as<char>(), static_cast<size_t>(tensor.byte_size()));
  }
  return fmt::format("#{:016x}", hash);
}

}  // namespace dlc::ir
