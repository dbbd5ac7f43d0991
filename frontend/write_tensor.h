// Tensor -> TensorProto, and messages -> bytes.
#pragma once

#include <string>

#include <onnx/onnx_pb.h>

#include "runtime/tensor.h"

namespace dlc::frontend {

// Puts the elements, type and shape of a tensor (no text) into the message, whose name and documentation
// stay.
void store(onnx::TensorProto& proto, const Tensor& tensor);

// Error(kModel) beyond what protobuf can write.
std::string to_bytes(const onnx::ModelProto& model);

}  // namespace dlc::frontend
