// Element types of tensors. The numeric values are those of ONNX's TensorProto.DataType, so that files and
// compiled libraries agree on them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace dlc {

enum class DType : uint8_t {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kUint4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kFloat8E8M0 = 24,
  kUint2 = 25,
  kInt2 = 26,
};

// Size of one element in bits: 4 and 2 for the packed types, 1 byte for bool, 0 for strings and kUndefined.
int bit_width(DType type);

// Size of `count` elements in bytes, packed types rounded up to whole bytes.
int64_t byte_size(DType type, int64_t count);

// Lower-case names of the text form: "f32", "i64", "bf16", "bool", "str", "u4", ...
std::string_view name(DType type);
std::optional<DType> dtype_from_name(std::string_view name);

// The name ONNX documents use: "float", "int64", "bfloat16", "string", ...
std::string_view onnx_name(DType type);

bool is_float(DType type);    // IEEE and small floats, not complex
bool is_integer(DType type);  // signed and unsigned, all widths; not bool
bool is_signed(DType type);   // floats and signed integers

// The float type that numbers of a type are computed in: double stays, everything else is computed in float.
constexpr DType wide_type(DType type) { return type == DType::kDouble ? DType::kDouble : DType::kFloat; }

}  // namespace dlc
