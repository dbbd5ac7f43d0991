// Maps: keys and values, two tensors (runtime/model/values.h).
#include <cstring>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/value_call.h"

using namespace dlc::model;
using dlc::kernels::handle_in;
using dlc::kernels::set_handle;

extern "C" int32_t dlc_zip_maps(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                const int64_t* params) {
  const int64_t rows = params[0];
  const int64_t extents[] = {params[1]};
  const auto dtype = static_cast<uint8_t>(params[2]);
  const int64_t bytes = stored_bytes(dtype, extents[0]);
  const char* values = static_cast<const char*>(inputs[1].data);
  SequenceObject* maps = make_sequence(frame->context, rows);
  if (maps == nullptr) return DLC_OUT_OF_MEMORY;
  for (int64_t i = 0; i < rows; ++i, values += bytes) {
    SequenceObject* map = make_sequence(frame->context, 2);
    TensorObject* row = make_tensor(frame->context, dtype, 1, extents);
    if (map == nullptr || row == nullptr) return DLC_OUT_OF_MEMORY;
    if (bytes > 0) std::memcpy(row->data, values, static_cast<size_t>(bytes));
    map->first[0] = handle_in(inputs[0]);
    map->first[1] = handle_of(row);
    maps->first[i] = handle_of(map);
  }
  set_handle(outputs[0], handle_of(maps));
  return DLC_OK;
}
