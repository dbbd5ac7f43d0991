#include <algorithm>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/ordered_key.h"

using dlc::kernels::KeyFormat;

extern "C" int32_t dlc_top_k(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                             const int64_t* params) {
  const int64_t outer = params[0], extent = params[1], inner = params[2], k = params[3];
  const bool largest = params[4] != 0;
  const KeyFormat format = dlc::kernels::key_format(inputs[0].dtype);
  if (format.bytes == 0) return dlc_fail(frame, DLC_UNSUPPORTED, "element type %lld", inputs[0].dtype, 0);
  if (k > extent) return dlc_fail(frame, DLC_INVALID_INPUT, "k is %lld, but the axis has %lld", k, extent);
  const char* data = static_cast<const char*>(inputs[0].data);
  char* values = static_cast<char*>(outputs[0].data);
  int64_t* indices = static_cast<int64_t*>(outputs[1].data);
  uint64_t* keys = static_cast<uint64_t*>(outputs[2].data);
  int64_t* order = static_cast<int64_t*>(outputs[2].data) + extent;
  for (int64_t row = 0; row < outer * inner; ++row) {
    const int64_t from = (row / inner) * extent * inner + row % inner;
    const int64_t to = (row / inner) * k * inner + row % inner;
    for (int64_t i = 0; i < extent; ++i) {
      const uint64_t key = dlc::kernels::ordered_key(data + (from + i * inner) * format.bytes, format);
      keys[i] = largest ? ~key : key;
      order[i] = i;
    }
    std::partial_sort(order, order + k, order + extent, [keys](int64_t a, int64_t b) {
      return keys[a] != keys[b] ? keys[a] < keys[b] : a < b;
    });
    for (int64_t i = 0; i < k; ++i) {
      indices[to + i * inner] = order[i];
      std::memcpy(values + (to + i * inner) * format.bytes, data + (from + order[i] * inner) * format.bytes,
                  static_cast<size_t>(format.bytes));
    }
  }
  return DLC_OK;
}
