// Element types at the border: DLPack's type codes for the numbers of ONNX.
#pragma once

#include <cstdint>

#include "runtime/model/abi.h"

namespace dlc::model {

struct ElementType {
  const char* name;  // of ONNX documents
  uint8_t code;      // DLDataTypeCode
  uint8_t bits;
};

inline constexpr int32_t kCpu = 1;                              // DLDeviceType
inline constexpr ElementType kValueElement = {"value", 3, 64};  // what stands for a value that is no tensor

// A dense tensor in memory of the CPU.
inline dlc_tensor dense_tensor(void* data, ElementType type, int32_t rank, int64_t* shape) {
  return {data, kCpu, 0, rank, type.code, type.bits, 1, shape, nullptr, 0};
}

// Of a number of ONNX's TensorProto.DataType; {"undefined", 0, 0} for numbers that are none.
ElementType element_type(uint8_t dtype);

// True where a tensor's elements can be read as `dtype`. Booleans may come as DLPack's bool or as uint8.
bool has_element_type(const dlc_tensor& tensor, uint8_t dtype);

// "float32", "uint8", "type code 9 of 6 bits": what a tensor holds, for messages.
void describe_element_type(const dlc_tensor& tensor, char* text, size_t size);

}  // namespace dlc::model
