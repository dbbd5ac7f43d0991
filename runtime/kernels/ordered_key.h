// Elements of any numeric type as unsigned integers of the same order.
#pragma once

#include <cstdint>
#include <cstring>

#include "runtime/model/element.h"

namespace dlc::kernels {

// How the bits of a type give its order.
enum class KeyKind : uint8_t { kUnsigned, kSigned, kFloat };

struct KeyFormat {
  KeyKind kind;
  int bytes;
};

// Of a number of ONNX's TensorProto.DataType; 0 bytes for types without order.
inline KeyFormat key_format(uint8_t dtype) {
  const model::ElementType type = model::element_type(dtype);
  const int bytes = type.bits % 8 == 0 && type.bits <= 64 ? type.bits / 8 : 0;
  switch (type.code) {  // DLDataTypeCode
    case 0:
      return {KeyKind::kSigned, bytes};
    case 1:
    case 6:
      return {KeyKind::kUnsigned, bytes};
    case 2:
    case 4:
      return {KeyKind::kFloat, bytes >= 2 ? bytes : 0};
    default:
      return {KeyKind::kUnsigned, 0};
  }
}

template <class T>
uint64_t read_as(const char* element) {
  T bits;
  std::memcpy(&bits, element, sizeof(bits));
  return bits;
}
inline uint64_t read_bits(const char* element, int bytes) {
  switch (bytes) {
    case 1:
      return read_as<uint8_t>(element);
    case 2:
      return read_as<uint16_t>(element);
    case 4:
      return read_as<uint32_t>(element);
    default:
      return read_as<uint64_t>(element);
  }
}

// Keys compare as the elements do; the two zeros are equal.
inline uint64_t ordered_key(const char* element, KeyFormat format) {
  uint64_t bits = read_bits(element, format.bytes);
  uint64_t sign = uint64_t{1} << (8 * format.bytes - 1);
  if (format.kind == KeyKind::kUnsigned) return bits;
  if (format.kind == KeyKind::kSigned) return bits ^ sign;
  if (bits == sign) bits = 0;
  uint64_t all = sign | (sign - 1);
  return (bits & sign) != 0 ? all ^ bits : bits | sign;
}

}  // namespace dlc::kernels
