#include "ir/ops/channels_last.h"

#include <algorithm>

#include "ir/ops/infer_util.h"
#include "ir/ops/window.h"

namespace dlc::ir {

Value* channels_to_front(Builder& b, Value* x) {
  const auto rank = static_cast<int64_t>(x->shape().size());
  std::vector<int64_t> perm = {0, rank - 1};
  for (int64_t axis = 1; axis + 1 < rank; ++axis) perm.push_back(axis);
  return b.transpose(x, std::move(perm));
}

Value* channels_to_back(Builder& b, Value* x) {
  const auto rank = static_cast<int64_t>(x->shape().size());
  std::vector<int64_t> perm = {0};
  for (int64_t axis = 2; axis < rank; ++axis) perm.push_back(axis);
  perm.push_back(1);
  return b.transpose(x, std::move(perm));
}

Shape with_channels_first(Shape shape) {
  std::rotate(shape.begin() + 1, shape.end() - 1, shape.end());
  return shape;
}

Shape with_channels_last(Shape shape) {
  std::rotate(shape.begin() + 1, shape.begin() + 2, shape.end());
  return shape;
}

Shape infer_pooled(const InferContext& context, bool channels_last) {
  require_rank_at_least(context, 0, 3);
  const Shape kernel = kernel_attribute(context.node());
  if (kernel.empty()) context.fail("attribute 'kernel_shape' is empty");
  const Shape& given = context.shape(0);
  check_window_attributes(context, given.size() - 2);
  const Shape shape = channels_last ? with_channels_first(given) : given;
  const std::vector<WindowAxis> windows = windows_of(context.node(), spatial_axes(shape), kernel);
  check_window_extents(context, windows);
  Shape result = {shape[0], shape[1]};
  for (const WindowAxis& window : windows) result.push_back(window.output);
  return channels_last ? with_channels_last(std::move(result)) : result;
}

}  // namespace dlc::ir
