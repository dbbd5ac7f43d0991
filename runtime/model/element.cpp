#include "runtime/model/element.h"

#include <cstdio>

namespace dlc::model {
namespace {

// DLDataTypeCode. Codes of 8 bits and less need more than their width to be told apart.
enum Code : uint8_t {
  kInt = 0,
  kUint = 1,
  kFloat = 2,
  kOpaque = 3,
  kBfloat = 4,
  kComplex = 5,
  kBool = 6,
  kFloat8E4M3FN = 10,
  kFloat8E4M3FNUZ = 11,
  kFloat8E5M2 = 12,
  kFloat8E5M2FNUZ = 13,
  kFloat8E8M0 = 14,
  kFloat4E2M1 = 17,
};

constexpr ElementType kTypes[] = {
    {"undefined", kOpaque, 0},
    {"float", kFloat, 32},
    {"uint8", kUint, 8},
    {"int8", kInt, 8},
    {"uint16", kUint, 16},
    {"int16", kInt, 16},
    {"int32", kInt, 32},
    {"int64", kInt, 64},
    {"string", kOpaque, 128},
    {"bool", kBool, 8},
    {"float16", kFloat, 16},
    {"double", kFloat, 64},
    {"uint32", kUint, 32},
    {"uint64", kUint, 64},
    {"complex64", kComplex, 64},
    {"complex128", kComplex, 128},
    {"bfloat16", kBfloat, 16},
    {"float8e4m3fn", kFloat8E4M3FN, 8},
    {"float8e4m3fnuz", kFloat8E4M3FNUZ, 8},
    {"float8e5m2", kFloat8E5M2, 8},
    {"float8e5m2fnuz", kFloat8E5M2FNUZ, 8},
    {"uint4", kUint, 4},
    {"int4", kInt, 4},
    {"float4e2m1", kFloat4E2M1, 4},
    {"float8e8m0", kFloat8E8M0, 8},
    {"uint2", kUint, 2},
    {"int2", kInt, 2},
};
constexpr uint8_t kTypeCount = sizeof(kTypes) / sizeof(kTypes[0]);
constexpr uint8_t kBoolNumber = 9;

}  // namespace

ElementType element_type(uint8_t dtype) { return kTypes[dtype < kTypeCount ? dtype : 0]; }

bool has_element_type(const dlc_tensor& tensor, uint8_t dtype) {
  if (tensor.type_lanes != 1) return false;
  ElementType type = element_type(dtype);
  if (tensor.type_bits != type.bits) return false;
  return tensor.type_code == type.code || (dtype == kBoolNumber && tensor.type_code == kUint);
}

void describe_element_type(const dlc_tensor& tensor, char* text, size_t size) {
  for (uint8_t i = 1; i < kTypeCount; ++i) {
    if (tensor.type_lanes == 1 && tensor.type_code == kTypes[i].code && tensor.type_bits == kTypes[i].bits) {
      snprintf(text, size, "%s", kTypes[i].name);
      return;
    }
  }
  snprintf(text, size, "type code %d of %d bits in %d lanes", tensor.type_code, tensor.type_bits,
           tensor.type_lanes);
}

}  // namespace dlc::model
