#include "ir/ops/view_util.h"

namespace dlc::ir {

BufferId slice_axis(LowerContext& context, BufferId base, size_t axis, const Dim& start, const Dim& length,
                    std::string_view hint) {
  Shape shape = context.program().buffer(base).shape;
  View view{base, ViewKind::kSlice};
  view.start.assign(shape.size(), 0);
  view.step.assign(shape.size(), 1);
  view.start[axis] = start;
  shape[axis] = length;
  return context.view(std::move(shape), std::move(view), hint);
}

BufferId select_axis(LowerContext& context, BufferId base, size_t axis, const Dim& position,
                     std::string_view hint) {
  BufferId slice = slice_axis(context, base, axis, position, 1, hint);
  Shape shape = context.program().buffer(slice).shape;
  shape.erase(shape.begin() + static_cast<ptrdiff_t>(axis));
  return context.reshaped(slice, std::move(shape), hint);
}

BufferId permute(LowerContext& context, BufferId base, const std::vector<int>& perm, std::string_view hint) {
  const Shape& from = context.program().buffer(base).shape;
  Shape shape;
  for (int axis : perm) shape.push_back(from[static_cast<size_t>(axis)]);
  View view{base, ViewKind::kPermute};
  view.perm = perm;
  return context.view(std::move(shape), std::move(view), hint);
}

void copy(LowerContext& context, BufferId to, BufferId from, std::string_view name) {
  context.map(
      to, [&](const Index& index) { return context.at(from, index); }, name);
}

}  // namespace dlc::ir
