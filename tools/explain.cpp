#include "tools/explain.h"

#include <fmt/format.h>

#include <algorithm>

namespace dlc::tools {
namespace {

constexpr size_t kWidest = 60;  // of a column

// Long names keep their end, which tells nodes apart.
std::string clipped(const std::string& text) {
  if (text.size() <= kWidest) return text;
  size_t begin = text.size() - kWidest + 3;
  while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80)
    ++begin;  // whole characters
  return "..." + text.substr(begin);
}

}  // namespace

std::string format_choices(const codegen::CompileReport& report) {
  size_t origins = 0, kernels = 0;
  for (const codegen::KernelChoice& choice : report.choices) {
    origins = std::max(origins, clipped(choice.origin).size());
    kernels = std::max(kernels, clipped(choice.kernel).size());
  }
  std::string text;
  for (const codegen::KernelChoice& choice : report.choices) {
    text += fmt::format("{:{}}  {:{}}  {}\n", clipped(choice.origin), origins, clipped(choice.kernel),
                        kernels, choice.how);
  }
  for (const std::string& note : report.choice_notes) text += note + "\n";
  return text;
}

}  // namespace dlc::tools
