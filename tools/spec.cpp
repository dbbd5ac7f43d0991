#include "tools/spec.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/error.h"

namespace dlc::tools {

Spec::Spec(std::string flag, const std::string& text) : flag_(std::move(flag)) {
  std::vector<std::string> parts = split_text(text, ',');
  name_ = parts.front();
  for (size_t i = 1; i < parts.size(); ++i) {
    size_t split = parts[i].find('=');
    std::string key = parts[i].substr(0, split);
    std::string value = split == std::string::npos ? "1" : parts[i].substr(split + 1);
    if (key.empty() || !values_.emplace(key, value).second) {
      fail(ErrorKind::kUsage, "{}: '{}': expected NAME,KEY=VALUE,... with each key once", flag_, text);
    }
  }
}

const std::string* Spec::take(const std::string& key) {
  known_.push_back(key);
  auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

double Spec::number(const std::string& key, double fallback) {
  const std::string* text = take(key);
  return text == nullptr ? fallback : parse_number(flag_ + ": " + key, *text);
}

std::string Spec::text(const std::string& key, std::string fallback) {
  const std::string* text = take(key);
  return text == nullptr ? fallback : *text;
}

int64_t Spec::count(const std::string& key, int64_t fallback) {
  const std::string* text = take(key);
  if (text == nullptr) return fallback;
  int64_t value = 0;
  const char* const end = text->data() + text->size();
  auto [rest, error] = std::from_chars(text->data(), end, value);
  if (error == std::errc() && rest == end) return value;
  fail(ErrorKind::kUsage, "{}: {}: expected a whole number, found '{}'", flag_, key, *text);
}

bool Spec::flag(const std::string& key) { return number(key, 0) != 0; }

std::vector<double> Spec::numbers(const std::string& key) {
  const std::string* text = take(key);
  std::vector<double> result;
  if (text == nullptr) return result;
  for (const std::string& part : split_text(*text, '/')) {
    result.push_back(parse_number(flag_ + ": " + key, part));
  }
  return result;
}

void Spec::finish() const {
  for (const auto& [key, value] : values_) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    if (known_.empty()) fail(ErrorKind::kUsage, "{}: '{}' takes no keys, found '{}'", flag_, name_, key);
    fail(ErrorKind::kUsage, "{}: '{}' has no key '{}'; it has {}", flag_, name_, key,
         fmt::join(known_, ", "));
  }
}

double parse_number(const std::string& flag, const std::string& text) {
  double value = 0;
  bool is_percent = text.ends_with('%');
  const char* end = text.data() + text.size() - (is_percent ? 1 : 0);
  auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) {
    fail(ErrorKind::kUsage, "{}: expected a number, found '{}'", flag, text);
  }
  return is_percent ? value / 100 : value;
}

std::vector<std::string> split_text(const std::string& text, char separator) {
  std::vector<std::string> result(1);
  for (char c : text) {
    if (c == separator) {
      result.emplace_back();
    } else {
      result.back() += c;
    }
  }
  return result;
}

}  // namespace dlc::tools
