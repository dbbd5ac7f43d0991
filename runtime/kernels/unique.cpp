#include <algorithm>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/ordered_key.h"

namespace {

using dlc::kernels::KeyFormat;

// Slices of an axis of [outer, count, inner] elements.
struct Slices {
  const char* data;
  KeyFormat format;
  int64_t outer, count, inner;

  const char* element(int64_t slice, int64_t i) const {
    return data + ((i / inner) * count * inner + slice * inner + i % inner) * format.bytes;
  }
  // Negative, zero or positive as slice a is before, equal to or after slice b.
  int compare(int64_t a, int64_t b) const {
    for (int64_t i = 0; i < outer * inner; ++i) {
      const uint64_t x = dlc::kernels::ordered_key(element(a, i), format);
      const uint64_t y = dlc::kernels::ordered_key(element(b, i), format);
      if (x != y) return x < y ? -1 : 1;
    }
    return 0;
  }
};

Slices slices_of(const dlc_call_tensor& input, int64_t axis) {
  Slices slices{static_cast<const char*>(input.data), dlc::kernels::key_format(input.dtype), 1, 1, 1};
  for (int32_t i = 0; i < input.rank; ++i) {
    (axis < 0 || i == axis ? slices.count : i < axis ? slices.outer : slices.inner) *= input.dims[i];
  }
  return slices;
}

// Scratch memory: per slice, the slices in order; per distinct slice, its first slice and its place in the
// output.
struct Groups {
  int64_t* order;
  int64_t* group_of;
  int64_t* first;
  int64_t* place;
  int64_t count;
};

Groups find_groups(const Slices& slices, int64_t* scratch, bool sorted) {
  const int64_t n = slices.count;
  Groups groups{scratch, scratch + n, scratch + 2 * n, scratch + 3 * n, 0};
  for (int64_t i = 0; i < n; ++i) groups.order[i] = i;
  std::sort(groups.order, groups.order + n, [&slices](int64_t a, int64_t b) {
    const int order = slices.compare(a, b);
    return order != 0 ? order < 0 : a < b;
  });
  for (int64_t i = 0; i < n; ++i) {
    const bool starts = i == 0 || slices.compare(groups.order[i - 1], groups.order[i]) != 0;
    if (starts) groups.first[groups.count++] = groups.order[i];
    groups.group_of[groups.order[i]] = groups.count - 1;
  }
  for (int64_t g = 0; g < groups.count; ++g) groups.order[g] = g;
  if (!sorted) {
    const int64_t* first = groups.first;
    std::sort(groups.order, groups.order + groups.count,
              [first](int64_t a, int64_t b) { return first[a] < first[b]; });
  }
  for (int64_t g = 0; g < groups.count; ++g) groups.place[groups.order[g]] = g;
  return groups;
}

bool write_slices(dlc_frame* frame, dlc_call_tensor& output, const dlc_call_tensor& input, int64_t axis,
                  const Slices& slices, const Groups& groups) {
  for (int32_t i = 0; i < output.rank; ++i)
    output.dims[i] = axis < 0 || i == axis ? groups.count : input.dims[i];
  char* to = static_cast<char*>(dlc_call_output(frame, &output));
  if (to == nullptr) return false;
  if (slices.inner == 0) return true;
  const int bytes = slices.format.bytes;
  for (int64_t o = 0; o < slices.outer; ++o) {
    for (int64_t g = 0; g < groups.count; ++g) {
      const char* from = slices.element(groups.first[groups.order[g]], o * slices.inner);
      std::memcpy(to, from, static_cast<size_t>(slices.inner * bytes));
      to += slices.inner * bytes;
    }
  }
  return true;
}

int64_t* make_vector(dlc_frame* frame, dlc_call_tensor& output, int64_t length) {
  output.dims[0] = length;
  return static_cast<int64_t*>(dlc_call_output(frame, &output));
}

}  // namespace

extern "C" int32_t dlc_unique(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                              const int64_t* params) {
  const int64_t axis = params[0];
  const Slices slices = slices_of(inputs[0], axis);
  if (slices.format.bytes == 0) {
    return dlc_fail(frame, DLC_UNSUPPORTED, "element type %lld", inputs[0].dtype, 0);
  }
  const Groups groups = find_groups(slices, static_cast<int64_t*>(outputs[4].data), params[1] != 0);
  if (!write_slices(frame, outputs[0], inputs[0], axis, slices, groups)) return DLC_OUT_OF_MEMORY;
  int64_t* indices = make_vector(frame, outputs[1], groups.count);
  int64_t* counts = make_vector(frame, outputs[3], groups.count);
  int64_t* inverse = static_cast<int64_t*>(outputs[2].data);
  if (indices == nullptr || counts == nullptr) return DLC_OUT_OF_MEMORY;
  for (int64_t g = 0; g < groups.count; ++g) {
    indices[g] = groups.first[groups.order[g]];
    counts[g] = 0;
  }
  for (int64_t i = 0; i < slices.count; ++i) {
    inverse[i] = groups.place[groups.group_of[i]];
    ++counts[inverse[i]];
  }
  return DLC_OK;
}
