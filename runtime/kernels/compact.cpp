// Kernels that keep the elements or slices for which something holds.
#include <cstring>

#include "runtime/kernels/call_tensor.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/ordered_key.h"

namespace {

using dlc::kernels::count_elements;
using dlc::kernels::KeyFormat;
using dlc::kernels::KeyKind;

bool is_nonzero(const char* element, KeyFormat format) {
  const uint64_t bits = dlc::kernels::read_bits(element, format.bytes);
  const uint64_t sign = uint64_t{1} << (8 * format.bytes - 1);
  return format.kind == KeyKind::kFloat ? (bits & ~sign) != 0 : bits != 0;
}

}  // namespace

extern "C" int32_t dlc_nonzero(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                               const int64_t*) {
  const dlc_call_tensor& input = inputs[0];
  const KeyFormat format = dlc::kernels::key_format(input.dtype);
  if (format.bytes == 0) return dlc_fail(frame, DLC_UNSUPPORTED, "element type %lld", input.dtype, 0);
  const char* data = static_cast<const char*>(input.data);
  const int64_t size = count_elements(input);
  int64_t count = 0;
  for (int64_t i = 0; i < size; ++i) count += is_nonzero(data + i * format.bytes, format) ? 1 : 0;
  outputs[0].dims[0] = input.rank;
  outputs[0].dims[1] = count;
  int64_t* result = static_cast<int64_t*>(dlc_call_output(frame, &outputs[0]));
  if (result == nullptr) return DLC_OUT_OF_MEMORY;
  int64_t found = 0;
  for (int64_t i = 0; i < size; ++i) {
    if (!is_nonzero(data + i * format.bytes, format)) continue;
    int64_t rest = i;
    for (int32_t axis = input.rank; axis-- > 0;) {
      result[axis * count + found] = rest % input.dims[axis];
      rest /= input.dims[axis];
    }
    ++found;
  }
  return DLC_OK;
}

extern "C" int32_t dlc_compress(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                const int64_t* params) {
  const dlc_call_tensor& input = inputs[0];
  const int64_t axis = params[0];
  const char* data = static_cast<const char*>(input.data);
  const bool* condition = static_cast<const bool*>(inputs[1].data);
  const int64_t bytes = dlc::kernels::key_format(input.dtype).bytes;
  const auto [outer, extent, inner] = axis >= 0 ? dlc::kernels::view_along(input.rank, input.dims, axis)
                                                : dlc::kernels::AxisView{1, count_elements(input), 1};
  if (bytes == 0) return dlc_fail(frame, DLC_UNSUPPORTED, "element type %lld", input.dtype, 0);
  const int64_t length = inputs[1].dims[0] < extent ? inputs[1].dims[0] : extent;
  int64_t kept = 0;
  for (int64_t i = 0; i < length; ++i) kept += condition[i] ? 1 : 0;
  for (int32_t i = 0; i < outputs[0].rank; ++i)
    outputs[0].dims[i] = i == axis || axis < 0 ? kept : input.dims[i];
  char* result = static_cast<char*>(dlc_call_output(frame, &outputs[0]));
  if (result == nullptr) return DLC_OUT_OF_MEMORY;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < length; ++i) {
      if (!condition[i]) continue;
      std::memcpy(result, data + (o * extent + i) * inner * bytes, static_cast<size_t>(inner * bytes));
      result += inner * bytes;
    }
  }
  return DLC_OK;
}
