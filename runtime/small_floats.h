// The floating-point types that C++ lacks: IEEE half, bfloat16, the 8-bit and
// the 4-bit formats of ONNX.
//
// encode_small_float() rounds once, to nearest even, from double; every value
// of the small formats is a double, so decode_small_float() is exact. No table
// and no hardware support is needed.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "runtime/dtype.h"

namespace dlc {

// What the codes of a format mean. A code is sign, exponent and mantissa, from
// the most significant bit.
struct SmallFloatFormat {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  bool negative_zero;  // false: the code of -0 is NaN (the "uz" formats)
  int32_t max_finite;  // largest finite code without sign
  int32_t overflow;    // code without sign of what is too large: infinity, NaN, or
                       // the largest finite one
  int32_t nan;         // the code of NaN
  int32_t infinity;    // code without sign; -1: the format has none
};

constexpr SmallFloatFormat kFloat16Format{5, 10, 15, true, 0x7bff, 0x7c00, 0x7e00, 0x7c00};
constexpr SmallFloatFormat kBfloat16Format{8, 7, 127, true, 0x7f7f, 0x7f80, 0x7fc0, 0x7f80};
constexpr SmallFloatFormat kFloat8E4M3FNFormat{4, 3, 7, true, 0x7e, 0x7f, 0x7f, -1};
constexpr SmallFloatFormat kFloat8E4M3FNUZFormat{4, 3, 8, false, 0x7f, 0x80, 0x80, -1};
constexpr SmallFloatFormat kFloat8E5M2Format{5, 2, 15, true, 0x7b, 0x7c, 0x7e, 0x7c};
constexpr SmallFloatFormat kFloat8E5M2FNUZFormat{5, 2, 16, false, 0x7f, 0x80, 0x80, -1};
// No NaN: it becomes negative zero.
constexpr SmallFloatFormat kFloat4E2M1Format{2, 1, 1, true, 0x7, 0x7, 0x8, -1};

constexpr uint16_t encode_small_float(const SmallFloatFormat& format, double value) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  const int32_t sign_bit = int32_t{1} << (format.exponent_bits + format.mantissa_bits);
  const int32_t sign = (bits >> 63) != 0 ? sign_bit : 0;
  const int raw_exponent = static_cast<int>((bits >> 52) & 0x7ff);
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  if (raw_exponent == 0x7ff && fraction != 0) {
    const bool signed_nan = format.negative_zero && (format.nan & sign_bit) == 0;
    return static_cast<uint16_t>(format.nan | (signed_nan ? sign : 0));
  }
  const int32_t zero = format.negative_zero ? sign : 0;
  const int smallest = 1 - format.bias;  // exponent of the smallest normal number
  const int exponent = raw_exponent - 1023;
  const int shift = 52 - format.mantissa_bits + (exponent < smallest ? smallest - exponent : 0);
  int64_t code = 0;
  if (raw_exponent == 0x7ff) {
    code = int64_t{format.max_finite} + 1;
  } else if (raw_exponent == 0 || shift > 53) {
    return static_cast<uint16_t>(zero);  // below half of the smallest denormal
  } else {
    const uint64_t significand = fraction | (uint64_t{1} << 52);
    const uint64_t half = uint64_t{1} << (shift - 1);
    const uint64_t odd = (significand >> shift) & 1;
    code = static_cast<int64_t>((significand + half - 1 + odd) >> shift);
    // The leading one of a normal number counts as one unit of the exponent
    // field.
    if (exponent >= smallest) code += static_cast<int64_t>(exponent - smallest) << format.mantissa_bits;
  }
  if (code == 0) return static_cast<uint16_t>(zero);
  if (code > format.max_finite) {
    return static_cast<uint16_t>(
        format.overflow == format.nan && !format.negative_zero ? format.nan : format.overflow | sign);
  }
  return static_cast<uint16_t>(code | sign);
}

constexpr double decode_small_float(const SmallFloatFormat& format, uint16_t code) {
  const int32_t sign_bit = int32_t{1} << (format.exponent_bits + format.mantissa_bits);
  const int32_t magnitude = code & (sign_bit - 1);
  const bool negative = (code & sign_bit) != 0;
  const double sign = negative ? -1.0 : 1.0;
  if (magnitude == format.infinity) return sign * std::numeric_limits<double>::infinity();
  const bool is_nan = format.negative_zero ? magnitude > format.max_finite : code == format.nan;
  if (is_nan) return std::numeric_limits<double>::quiet_NaN();
  const int32_t field = magnitude >> format.mantissa_bits;
  const int32_t fraction = magnitude & ((1 << format.mantissa_bits) - 1);
  const int32_t significand = field == 0 ? fraction : fraction | (1 << format.mantissa_bits);
  const int exponent = (field == 0 ? 1 : field) - format.bias - format.mantissa_bits;
  const double scale = std::bit_cast<double>(static_cast<uint64_t>(exponent + 1023) << 52);
  return sign * significand * scale;
}

// E8M0: a power of two, 2^(code - 127); 0xff is NaN; neither sign nor zero.
// Rounds to the nearest power (ties up). Negative numbers and NaN become NaN,
// what is too small or too large the nearest end.
constexpr uint8_t encode_float8e8m0(double value) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  if (value != value || (bits >> 63) != 0) return 0xff;
  const int exponent = static_cast<int>(bits >> 52) - 1023 + 127;
  const int rounded = exponent + (((bits >> 51) & 1) != 0 ? 1 : 0);
  return static_cast<uint8_t>(rounded < 0 ? 0 : rounded > 254 ? 254 : rounded);
}

constexpr double decode_float8e8m0(uint8_t code) {
  if (code == 0xff) return std::numeric_limits<double>::quiet_NaN();
  return std::bit_cast<double>(static_cast<uint64_t>(code - 127 + 1023) << 52);
}

// Null for types that are not of these formats (E8M0 included).
constexpr const SmallFloatFormat* small_float_format(DType type) {
  if (type == DType::kFloat16) return &kFloat16Format;
  if (type == DType::kBfloat16) return &kBfloat16Format;
  if (type == DType::kFloat8E4M3FN) return &kFloat8E4M3FNFormat;
  if (type == DType::kFloat8E4M3FNUZ) return &kFloat8E4M3FNUZFormat;
  if (type == DType::kFloat8E5M2) return &kFloat8E5M2Format;
  if (type == DType::kFloat8E5M2FNUZ) return &kFloat8E5M2FNUZFormat;
  if (type == DType::kFloat4E2M1) return &kFloat4E2M1Format;
  return nullptr;
}

// By element type; `type` is one of the small floats (CHECK is the caller's:
// others encode as E8M0).
constexpr uint16_t encode_small_float(DType type, double value) {
  const SmallFloatFormat* format = small_float_format(type);
  return format != nullptr ? encode_small_float(*format, value) : encode_float8e8m0(value);
}
constexpr double decode_small_float(DType type, uint16_t code) {
  const SmallFloatFormat* format = small_float_format(type);
  return format != nullptr ? decode_small_float(*format, code)
                           : decode_float8e8m0(static_cast<uint8_t>(code));
}

inline uint16_t float16_from_float(float value) { return encode_small_float(kFloat16Format, value); }
inline float float_from_float16(uint16_t code) {
  return static_cast<float>(decode_small_float(kFloat16Format, code));
}
inline float float_from_bfloat16(uint16_t code) {
  return std::bit_cast<float>(static_cast<uint32_t>(code) << 16);
}
inline uint16_t bfloat16_from_float(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (value != value) return static_cast<uint16_t>((bits >> 16) | 0x40);  // keeps a NaN quiet and a NaN
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace dlc
