// Elements of tensors as Scalars, all numeric types.
#pragma once

#include <cstring>

#include "ir/kernel/scalar.h"
#include "runtime/error.h"
#include "runtime/small_floats.h"

namespace dlc::ir {

template <class T>
T read_as(const void* data, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <class T>
void write_as(void* data, int64_t index, T value) {
  std::memcpy(static_cast<char*>(data) + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
}

// The bits of element `index`, as many as the type has.
inline uint64_t read_bits(const void* data, DType type, int64_t index) {
  const int bits = bit_width(type);
  switch (bits) {
    case 8:
      return read_as<uint8_t>(data, index);
    case 16:
      return read_as<uint16_t>(data, index);
    case 32:
      return read_as<uint32_t>(data, index);
    case 64:
      return read_as<uint64_t>(data, index);
    default:
      break;
  }
  check(bits == 2 || bits == 4, "a numeric element type");
  const int per_byte = 8 / bits;  // the first element is in the low bits
  const int shift = static_cast<int>(index % per_byte) * bits;
  return (static_cast<uint64_t>(read_as<uint8_t>(data, index / per_byte)) >> shift) & ((1u << bits) - 1);
}

inline void write_bits(void* data, DType type, int64_t index, uint64_t value) {
  const int bits = bit_width(type);
  switch (bits) {
    case 8:
      return write_as(data, index, static_cast<uint8_t>(value));
    case 16:
      return write_as(data, index, static_cast<uint16_t>(value));
    case 32:
      return write_as(data, index, static_cast<uint32_t>(value));
    case 64:
      return write_as(data, index, value);
    default:
      break;
  }
  check(bits == 2 || bits == 4, "a numeric element type");
  const int per_byte = 8 / bits;
  const int shift = static_cast<int>(index % per_byte) * bits;
  const uint64_t mask = ((uint64_t{1} << bits) - 1) << shift;
  const uint8_t old = read_as<uint8_t>(data, index / per_byte);
  write_as(data, index / per_byte, static_cast<uint8_t>((old & ~mask) | ((value << shift) & mask)));
}

inline Scalar read_element(const void* data, DType type, int64_t index) {
  if (type == DType::kFloat) return scalar_of_real(read_as<float>(data, index));
  if (type == DType::kDouble) return scalar_of_real(read_as<double>(data, index));
  const uint64_t bits = read_bits(data, type, index);
  if (is_real(type)) return scalar_of_real(decode_small_float(type, static_cast<uint16_t>(bits)));
  return scalar_of(wrap(type, static_cast<int64_t>(bits)));
}

inline void write_element(void* data, DType type, int64_t index, Scalar value) {
  if (type == DType::kFloat) return write_as(data, index, static_cast<float>(value.real));
  if (type == DType::kDouble) return write_as(data, index, value.real);
  if (is_real(type)) return write_bits(data, type, index, encode_small_float(type, value.real));
  write_bits(data, type, index, static_cast<uint64_t>(value.integer));
}

}  // namespace dlc::ir
