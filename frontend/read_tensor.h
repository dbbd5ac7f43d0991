// TensorProto -> Tensor: all element types, all ways to store their elements.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include <onnx/onnx_pb.h>

#include "frontend/external_data.h"
#include "runtime/tensor.h"

namespace dlc::frontend {

// The raw bytes of a model's tensors, taken out of the protobuf messages so that Tensors own them without a
// copy.
class RawData {
 public:
  RawData() = default;
  // Moves the large raw_data strings of all tensors of the model out of it.
  explicit RawData(onnx::ModelProto& model);

  // Null if this tensor's bytes are still in its message.
  std::shared_ptr<const std::string> find(const onnx::TensorProto& tensor) const;

 private:
  void take(onnx::GraphProto& graph);
  void take(onnx::NodeProto& node);
  void take(onnx::TensorProto& tensor);
  // shared: tensors made from one message share its bytes.
  std::unordered_map<const onnx::TensorProto*, std::shared_ptr<const std::string>> taken_;
};

struct TensorSource {
  RawData raw;
  ExternalData external;
  int64_t max_bytes;  // of one tensor
};

// Error(kModel) naming expected and found; the caller adds which tensor it is.
Tensor read_tensor(const onnx::TensorProto& proto, TensorSource& source);
// The dense form.
Tensor read_sparse_tensor(const onnx::SparseTensorProto& proto, TensorSource& source);

}  // namespace dlc::frontend
