#include "tools/difference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>

#include <fmt/format.h>

namespace dlc::tools {
namespace {

std::string position(const Tensor& tensor, int64_t index) {
  std::vector<int64_t> place(tensor.shape().size());
  for (size_t axis = place.size(); axis-- > 0;) {
    place[axis] = index % tensor.shape()[axis];
    index /= tensor.shape()[axis];
  }
  return fmt::format("[{}]", fmt::join(place, ", "));
}

bool is_complex(DType type) { return type == DType::kComplex64 || type == DType::kComplex128; }

// Complex tensors are compared as pairs of real numbers.
double element(const Tensor& tensor, int64_t i) {
  if (tensor.dtype() == DType::kComplex64) return tensor.as<float>()[i];
  if (tensor.dtype() == DType::kComplex128) return tensor.as<double>()[i];
  return tensor.get_double(i);
}

// Two units in the last place of bfloat16, which ONNX's own runner of test cases allows.
constexpr double kBfloat16Rtol = 1.0 / 64;

Tolerance for_type(Tolerance tolerance, DType type) {
  if (type == DType::kBfloat16) tolerance.rtol = std::max(tolerance.rtol, kBfloat16Rtol);
  return tolerance;
}

bool close(double a, double b, const Tolerance& tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::fabs(a - b) <= tolerance.atol + tolerance.rtol * std::fabs(b);
}

// Elements of integers compare exactly; beyond 2^53 doubles would not.
bool close_elements(const Tensor& found, const Tensor& expected, int64_t i, const Tolerance& tolerance) {
  if (is_integer(found.dtype()) && found.get_int(i) == expected.get_int(i)) return true;
  return close(element(found, i), element(expected, i), for_type(tolerance, found.dtype()));
}

// Consecutive floats have consecutive numbers.
int64_t ordered_bits(float value) {
  const auto bits = std::bit_cast<int32_t>(value);
  return bits < 0 ? int64_t{INT32_MIN} - bits : bits;
}

double ulp_distance(double a, double b, DType type) {
  if (type == DType::kDouble) {
    const double unit = std::nextafter(std::fabs(b), HUGE_VAL) - std::fabs(b);
    return std::fabs(a - b) / unit;
  }
  const double steps = static_cast<double>(
      std::llabs(ordered_bits(static_cast<float>(a)) - ordered_bits(static_cast<float>(b))));
  if (type == DType::kFloat16) return steps / (1 << 13);
  if (type == DType::kBfloat16) return steps / (1 << 16);
  return steps;
}

}  // namespace

std::optional<std::string> first_difference(const Tensor& found, const Tensor& expected,
                                            const Tolerance& tolerance) {
  if (found.dtype() != expected.dtype() || found.shape() != expected.shape()) {
    return fmt::format("is {}, expected {}", describe(found), describe(expected));
  }
  if (found.dtype() == DType::kString) {
    for (int64_t i = 0; i < found.size(); ++i) {
      const size_t k = static_cast<size_t>(i);
      if (found.strings()[k] == expected.strings()[k]) continue;
      return fmt::format("{} is '{}', expected '{}'", position(found, i), found.strings()[k],
                         expected.strings()[k]);
    }
    return std::nullopt;
  }
  const int64_t parts = is_complex(found.dtype()) ? 2 : 1;
  for (int64_t i = 0; i < found.size() * parts; ++i) {
    if (close_elements(found, expected, i, tolerance)) continue;
    const Difference all = is_complex(found.dtype()) ? Difference{} : measure_difference(found, expected);
    return fmt::format("{} is {:.9g}, expected {:.9g} (max difference {:.3g}, {:.3g} of the largest value)",
                       position(found, i / parts), element(found, i), element(expected, i), all.absolute,
                       all.relative);
  }
  return std::nullopt;
}

namespace {

// Keys and values in the order of the keys' texts.
std::map<std::string, int64_t> places_of(const Tensor& keys) {
  std::map<std::string, int64_t> places;
  for (int64_t i = 0; i < keys.size(); ++i) {
    places[keys.dtype() == DType::kString ? keys.strings()[static_cast<size_t>(i)]
                                          : std::to_string(keys.get_int(i))] = i;
  }
  return places;
}

Tensor element_of(const Tensor& tensor, int64_t i) {
  if (tensor.dtype() == DType::kString)
    return Tensor::from_strings({}, {tensor.strings()[static_cast<size_t>(i)]});
  Tensor result(tensor.dtype(), {});
  const size_t bytes = static_cast<size_t>(result.byte_size());
  std::memcpy(result.mutable_data(), tensor.as<char>() + static_cast<size_t>(i) * bytes, bytes);
  return result;
}

std::optional<std::string> map_difference(const Value& found, const Value& expected,
                                          const Tolerance& tolerance) {
  if (found.keys().dtype() != expected.keys().dtype())
    return fmt::format("is {}, expected {}", describe(found), describe(expected));
  const std::map<std::string, int64_t> a = places_of(found.keys()), b = places_of(expected.keys());
  for (const auto& [key, place] : a) {
    const auto other = b.find(key);
    if (other == b.end()) return fmt::format("has the unexpected key '{}'", key);
    auto difference = first_difference(element_of(found.values(), place),
                                       element_of(expected.values(), other->second), tolerance);
    if (difference) return fmt::format("at key '{}' {}", key, *difference);
  }
  if (a.size() != b.size()) return fmt::format("has {} keys, expected {}", a.size(), b.size());
  return std::nullopt;
}

}  // namespace

std::optional<std::string> first_difference(const Value& found, const Value& expected,
                                            const Tolerance& tolerance) {
  const bool is_alike = found.kind() == expected.kind();
  if (is_alike && found.is_tensor()) return first_difference(found.tensor(), expected.tensor(), tolerance);
  if (is_alike && found.kind() == ValueKind::kMap) return map_difference(found, expected, tolerance);
  if (!is_alike || found.elements().size() != expected.elements().size())
    return fmt::format("is {}, expected {}", describe(found), describe(expected));
  for (size_t i = 0; i < found.elements().size(); ++i) {
    auto difference = first_difference(found.elements()[i], expected.elements()[i], tolerance);
    if (difference) return fmt::format("element {} {}", i, *difference);
  }
  return std::nullopt;
}

Difference measure_difference(const Tensor& found, const Tensor& expected) {
  Difference result;
  double largest = 0;
  for (int64_t i = 0; i < expected.size(); ++i) {
    const double a = element(found, i);
    const double b = element(expected, i);
    if (std::isfinite(b)) largest = std::max(largest, std::fabs(b));
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    const bool both = std::isfinite(a) && std::isfinite(b);
    const double difference = both ? std::fabs(a - b) : HUGE_VAL;
    if (difference > result.absolute || result.index < 0) result.index = i;
    result.absolute = std::max(result.absolute, difference);
    result.ulps = std::max(result.ulps,
                           both && is_float(found.dtype()) ? ulp_distance(a, b, found.dtype()) : difference);
  }
  result.relative = result.absolute == 0 ? 0 : largest > 0 ? result.absolute / largest : HUGE_VAL;
  return result;
}

}  // namespace dlc::tools
