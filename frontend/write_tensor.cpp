#include "frontend/write_tensor.h"

#include "runtime/error.h"

namespace dlc::frontend {

void store(onnx::TensorProto& proto, const Tensor& tensor) {
  proto.clear_dims();
  for (int64_t extent : tensor.shape()) proto.add_dims(extent);
  proto.set_data_type(static_cast<int>(tensor.dtype()));
  proto.clear_float_data();
  proto.clear_int32_data();
  proto.clear_int64_data();
  proto.clear_double_data();
  proto.clear_uint64_data();
  proto.clear_external_data();
  proto.clear_data_location();
  proto.set_raw_data(tensor.data(), static_cast<size_t>(tensor.byte_size()));
}

std::string to_bytes(const onnx::ModelProto& model) {
  std::string bytes;
  constexpr size_t kMaxBytes = size_t{2} << 30;
  if (model.ByteSizeLong() >= kMaxBytes || !model.SerializeToString(&bytes)) {
    fail(ErrorKind::kModel, "the model does not fit into one file of 2 GB");
  }
  return bytes;
}

}  // namespace dlc::frontend
