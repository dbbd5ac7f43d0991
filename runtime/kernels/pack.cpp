// Elements of less than a byte, packed as ONNX stores them: the first one in the lowest bits.
#include "runtime/kernels/call_tensor.h"
#include "runtime/kernels/kernels.h"

extern "C" int32_t dlc_pack(dlc_frame*, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                            const int64_t* params) {
  const auto* elements = static_cast<const uint8_t*>(inputs[0].data);
  auto* packed = static_cast<uint8_t*>(outputs[0].data);
  const int64_t bits = params[0];
  const int64_t per_byte = 8 / bits;
  const unsigned mask = (1u << bits) - 1;
  const int64_t count = dlc::kernels::count_elements(inputs[0]);
  for (int64_t first = 0; first < count; first += per_byte) {
    const int64_t here = count - first < per_byte ? count - first : per_byte;
    unsigned byte = 0;
    for (int64_t i = 0; i < here; ++i) byte |= (elements[first + i] & mask) << (i * bits);
    *packed++ = static_cast<uint8_t>(byte);
  }
  return DLC_OK;
}
