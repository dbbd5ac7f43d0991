#include "runtime/dtype.h"

#include <array>

namespace dlc {
namespace {

enum class Class : uint8_t { kOther, kFloat, kSigned, kUnsigned };

struct Row {
  int bits;
  std::string_view name;
  std::string_view onnx_name;
  Class kind;
};

// By value of DType.
constexpr std::array<Row, 27> kRows = {{
    {0, "undefined", "undefined", Class::kOther},
    {32, "f32", "float", Class::kFloat},
    {8, "u8", "uint8", Class::kUnsigned},
    {8, "i8", "int8", Class::kSigned},
    {16, "u16", "uint16", Class::kUnsigned},
    {16, "i16", "int16", Class::kSigned},
    {32, "i32", "int32", Class::kSigned},
    {64, "i64", "int64", Class::kSigned},
    {0, "str", "string", Class::kOther},
    {8, "bool", "bool", Class::kOther},
    {16, "f16", "float16", Class::kFloat},
    {64, "f64", "double", Class::kFloat},
    {32, "u32", "uint32", Class::kUnsigned},
    {64, "u64", "uint64", Class::kUnsigned},
    {64, "c64", "complex64", Class::kOther},
    {128, "c128", "complex128", Class::kOther},
    {16, "bf16", "bfloat16", Class::kFloat},
    {8, "f8e4m3fn", "float8e4m3fn", Class::kFloat},
    {8, "f8e4m3fnuz", "float8e4m3fnuz", Class::kFloat},
    {8, "f8e5m2", "float8e5m2", Class::kFloat},
    {8, "f8e5m2fnuz", "float8e5m2fnuz", Class::kFloat},
    {4, "u4", "uint4", Class::kUnsigned},
    {4, "i4", "int4", Class::kSigned},
    {4, "f4e2m1", "float4e2m1", Class::kFloat},
    {8, "f8e8m0", "float8e8m0", Class::kFloat},
    {2, "u2", "uint2", Class::kUnsigned},
    {2, "i2", "int2", Class::kSigned},
}};

const Row& row(DType type) {
  size_t index = static_cast<size_t>(type);
  return kRows[index < kRows.size() ? index : 0];
}

}  // namespace

int bit_width(DType type) { return row(type).bits; }

int64_t byte_size(DType type, int64_t count) {
  int bits = row(type).bits;
  return bits >= 8 ? count * (bits / 8) : (count * bits + 7) / 8;
}

std::string_view name(DType type) { return row(type).name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 1; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::string_view onnx_name(DType type) { return row(type).onnx_name; }

bool is_float(DType type) { return row(type).kind == Class::kFloat; }

bool is_integer(DType type) { return row(type).kind == Class::kSigned || row(type).kind == Class::kUnsigned; }

bool is_signed(DType type) { return row(type).kind == Class::kSigned || row(type).kind == Class::kFloat; }

}  // namespace dlc
