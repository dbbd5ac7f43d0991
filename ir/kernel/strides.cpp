// Strides of buffers and of stacks of views.
#include <algorithm>

#include "ir/kernel/kernel.h"
#include "ir/kernel/view_index.h"
#include "runtime/error.h"

namespace dlc::ir {

std::vector<Dim> row_major_strides(const Shape& shape) {
  std::vector<Dim> strides(shape.size(), Dim(1));
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

namespace {

Strides root_strides(const Buffer& buffer) {
  if (buffer.order.empty()) return {Dim(0), row_major_strides(buffer.shape)};
  check(buffer.order.size() == buffer.shape.size(), "an order of all axes");
  Strides result{Dim(0), std::vector<Dim>(buffer.shape.size())};
  Dim stride = 1;
  for (size_t i = buffer.order.size(); i-- > 0;) {
    const size_t axis = static_cast<size_t>(buffer.order[i]);
    result.strides[axis] = stride;
    stride *= buffer.shape[axis];
  }
  return result;
}

Strides permute(const View& view, const Strides& base) {
  Strides result{base.offset, {}};
  for (int axis : view.perm) result.strides.push_back(base.strides[static_cast<size_t>(axis)]);
  return result;
}

Strides slice(const View& view, Strides base) {
  for (size_t i = 0; i < base.strides.size(); ++i) {
    base.offset += view.start[i] * base.strides[i];
    base.strides[i] *= view.step[i];
  }
  return base;
}

Strides expand(const Shape& shape, const Shape& base_shape, const Strides& base) {
  Strides result{base.offset, std::vector<Dim>(shape.size(), Dim(0))};
  const size_t added = shape.size() - base_shape.size();
  for (size_t i = 0; i < base_shape.size(); ++i) {
    const Dim& extent = base_shape[i];
    if (extent == Dim(1)) continue;  // stride 0
    const bool repeats = !extent.is_constant() && extent != shape[added + i];
    result.strides[added + i] = repeats ? base.strides[i] * (min(extent, Dim(2)) - 1) : base.strides[i];
  }
  return result;
}

struct Axis {
  Dim extent;
  Dim stride;
};

// The stride of the innermost element of axes that are dense among themselves;
// nothing if they are not.
std::optional<Dim> merged_stride(const std::vector<Axis>& axes) {
  for (size_t i = 1; i < axes.size(); ++i) {
    if (axes[i - 1].stride != axes[i].stride * axes[i].extent) return std::nullopt;
  }
  return axes.empty() ? Dim(1) : axes.back().stride;
}

std::optional<Strides> reshape(const Shape& shape, const Shape& base_shape, const Strides& base) {
  Strides result{base.offset, row_major_strides(shape)};
  if (std::find(base_shape.begin(), base_shape.end(), Dim(0)) != base_shape.end()) return result;
  for (const ReshapeGroup& group : reshape_groups(base_shape, shape)) {
    std::vector<Axis> axes;
    for (size_t i = group.begin; i < group.end; ++i) {
      if (base_shape[i] != Dim(1)) axes.push_back({base_shape[i], base.strides[i]});
    }
    const std::optional<Dim> inner = merged_stride(axes);
    if (!inner) return std::nullopt;
    Dim stride = *inner;
    for (size_t k = group.to_end; k-- > group.to_begin;) {
      result.strides[k] = stride;
      stride *= shape[k];
    }
  }
  return result;
}

}  // namespace

std::optional<Strides> strides_of(const Program& program, BufferId id) {
  const Buffer& buffer = program.buffer(id);
  if (!buffer.view) return root_strides(buffer);
  const View& view = *buffer.view;
  const std::optional<Strides> base = strides_of(program, view.base);
  if (!base) return std::nullopt;
  const Shape& base_shape = program.buffer(view.base).shape;
  switch (view.kind) {
    case ViewKind::kReshape:
      return reshape(buffer.shape, base_shape, *base);
    case ViewKind::kPermute:
      return permute(view, *base);
    case ViewKind::kSlice:
      return slice(view, *base);
    case ViewKind::kExpand:
      return expand(buffer.shape, base_shape, *base);
  }
  return std::nullopt;
}

bool is_dense(const Program& program, BufferId id) {
  const std::optional<Strides> strides = strides_of(program, id);
  if (!strides) return false;
  const Shape& shape = program.buffer(id).shape;
  const std::vector<Dim> dense = row_major_strides(shape);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == Dim(0)) return true;
    if (shape[i] != Dim(1) && strides->strides[i] != dense[i]) return false;
  }
  return true;
}

}  // namespace dlc::ir
