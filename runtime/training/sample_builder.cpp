#include "runtime/training/sample_builder.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>

#include <fmt/ranges.h>

#include "runtime/error.h"

namespace dlc::training {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

std::optional<double> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

bool is_whole(double value) {
  constexpr double kLimit = 0x1p53;  // up to there every whole number is a double
  return value == std::floor(value) && std::abs(value) <= kLimit;
}

template <class T>
Tensor tensor_of(DType type, const std::vector<int64_t>& shape, std::vector<T> values) {
  auto owner = std::make_shared<const std::vector<T>>(std::move(values));
  return {type, shape, owner->data(), owner};
}

}  // namespace

SampleBuilder::SampleBuilder(Field field, SampleBuilderOptions options)
    : field_(std::move(field)), options_(std::move(options)) {
  for (size_t i = 1; i < field_.shape.size(); ++i) elements_ *= field_.shape[i];
  if (!options_.is_class || !options_.classes) return;
  classes_ = *options_.classes;
  for (const std::string& name : classes_) places_of_.emplace(name, std::ssize(places_of_));
}

void SampleBuilder::add(std::string_view text) {
  const std::string_view inner = trimmed(text);
  if (options_.is_class) return add_class(inner);
  const std::optional<double> value = number_of(inner);
  if (!value) fail(ErrorKind::kData, "expected a number, found '{}'", inner);
  add(*value);
}

void SampleBuilder::add(double value) {
  if (options_.is_class) {
    return add_class(is_whole(value) ? fmt::format("{:.0f}", value) : fmt::format("{}", value));
  }
  if (!std::isfinite(value)) fail(ErrorKind::kData, "expected a finite number, found {}", value);
  ++added_;
  if (added_ > elements_) return;  // end_sample() tells how many there are
  if (is_float(field_.dtype)) {
    floats_.push_back(static_cast<float>(value));
  } else if (is_whole(value)) {
    integers_.push_back(static_cast<int64_t>(value));
  } else {
    fail(ErrorKind::kData, "expected a whole number, found {}", value);
  }
}

void SampleBuilder::add_class(std::string_view text) {
  ++added_;
  if (added_ > 1) return;
  if (text.empty()) fail(ErrorKind::kData, "expected a class, found nothing");
  if (text.find('\n') != text.npos) fail(ErrorKind::kData, "the class '{}' has several lines", text);
  const bool takes_names = !options_.classes || !options_.classes->empty();
  if (!takes_names) {
    const std::optional<double> value = number_of(text);
    if (!value || !is_whole(*value)) {
      fail(ErrorKind::kData, "expected the number of a class, as the training data have, found '{}'", text);
    }
    integers_.push_back(static_cast<int64_t>(*value));
    return;
  }
  auto it = places_of_.find(text);
  if (it == places_of_.end()) {
    if (options_.classes) {
      fail(ErrorKind::kData, "the class '{}' is none of the training data, which have {}", text,
           fmt::join(*options_.classes, ", "));
    }
    it = places_of_.emplace(text, std::ssize(classes_)).first;
    classes_.emplace_back(text);
  }
  integers_.push_back(it->second);
}

void SampleBuilder::end_sample() {
  while (options_.filling && added_ < elements_) add(*options_.filling);
  if (added_ != elements_) {
    fail(ErrorKind::kData, "'{}' takes {} numbers a sample, found {}", field_.name, elements_, added_);
  }
  added_ = 0;
  ++samples_;
}

// Numbers stay what they are; names get theirs in the order of the names.
void SampleBuilder::number_classes() {
  std::vector<int64_t> number_at(classes_.size());  // by place
  const bool are_numbers = std::all_of(classes_.begin(), classes_.end(), [](const std::string& name) {
    const std::optional<double> value = number_of(name);
    return value && is_whole(*value);
  });
  int64_t next = 0;
  for (const auto& [name, place] : places_of_) {
    number_at[static_cast<size_t>(place)] = are_numbers ? static_cast<int64_t>(*number_of(name)) : next++;
  }
  classes_.clear();
  if (!are_numbers) {
    for (const auto& [name, place] : places_of_) classes_.push_back(name);
  }
  for (int64_t& value : integers_) value = number_at[static_cast<size_t>(value)];
}

Tensor SampleBuilder::finish() {
  if (options_.is_class && !options_.classes) number_classes();
  std::vector<int64_t> shape = field_.shape;
  shape[0] = samples_;
  if (is_float(field_.dtype)) return tensor_of(DType::kFloat, shape, std::move(floats_));
  return tensor_of(DType::kInt64, shape, std::move(integers_));
}

}  // namespace dlc::training
