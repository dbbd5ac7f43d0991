#include "codegen/c_names.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "codegen/emit_program.h"

namespace dlc::codegen {
namespace {

constexpr const char* kKeywords[] = {
    "auto",   "bool",     "break",    "case",     "char",      "const",    "continue", "default", "do",
    "double", "else",     "enum",     "extern",   "float",     "for",      "goto",     "if",      "inline",
    "int",    "long",     "register", "restrict", "return",    "short",    "signed",   "sizeof",  "static",
    "struct", "switch",   "typedef",  "union",    "unsigned",  "void",     "volatile", "while",   "class",
    "delete", "export",   "friend",   "mutable",  "namespace", "new",      "operator", "private", "protected",
    "public", "template", "this",     "throw",    "try",       "typename", "using",    "virtual", "true",
    "false",  "and",      "or",       "not",      "xor"};

}  // namespace

std::vector<std::string> field_names(const std::vector<std::string>& texts) {
  std::set<std::string> used(std::begin(kKeywords), std::end(kKeywords));
  std::vector<std::string> names;
  for (const std::string& text : texts) {
    std::string name = c_identifier(text);
    while (!used.insert(name).second) name += "_";
    names.push_back(name);
  }
  return names;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

const char* c_type(DType type) {
  switch (type) {
    case DType::kFloat:
    case DType::kComplex64:
      return "float";
    case DType::kDouble:
    case DType::kComplex128:
      return "double";
    case DType::kInt8:
      return "int8_t";
    case DType::kInt16:
      return "int16_t";
    case DType::kInt32:
      return "int32_t";
    case DType::kInt64:
      return "int64_t";
    case DType::kUint16:
    case DType::kFloat16:
    case DType::kBfloat16:
      return "uint16_t";
    case DType::kUint32:
      return "uint32_t";
    case DType::kUint64:
      return "uint64_t";
    default:
      return "uint8_t";
  }
}

std::string comment_text(std::string text) {
  for (size_t at = text.find("*/"); at != std::string::npos; at = text.find("*/")) text[at] = '+';
  return text;
}

}  // namespace dlc::codegen
