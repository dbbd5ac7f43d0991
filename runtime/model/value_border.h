// Strings and values that are no tensors, at the border of a model.
#pragma once

#include "runtime/model/context.h"
#include "runtime/model/element.h"
#include "runtime/model/values.h"

namespace dlc::model {

inline bool is_tensor(const dlc_value_info& info) { return info.kind == DLC_TENSOR; }
inline bool has_strings(const dlc_value_info& info) { return is_tensor(info) && info.dtype == 8; }
// How elements of this input or output look at the border: opaque for what is no tensor.
ElementType border_element(const dlc_value_info& info);

// Handles of `count` strings, checked. `name` is that of an input, for faults. Returns a dlc_status.
int32_t take_strings(dlc_context* context, const char* name, const dlc_string* strings, int64_t count,
                     Handle* handles);
// The handle of a value, checked against what the model says of it. Returns a dlc_status.
int32_t take_value(dlc_context* context, const dlc_value_info& info, const dlc_value* value, Handle* handle);

// strings[i] is the text of handles[i]; both may begin at one address.
void give_strings(const Handle* handles, int64_t count, dlc_string* strings);
// The value of a handle, in memory of the context. Null: no memory.
dlc_value* give_value(dlc_context* context, const dlc_value_info& info, Handle handle);

}  // namespace dlc::model
