#include "ir/kernel/view_index.h"

namespace dlc::ir {

namespace {

// Positions of the axes whose extent is not 1.
std::vector<size_t> long_axes(const Shape& shape) {
  std::vector<size_t> result;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != Dim(1)) result.push_back(i);
  }
  return result;
}

// The ends of the shortest group from (i, j) whose extents have equal products; both ends if none is found,
// which is right because a reshape keeps the number of elements.
std::pair<size_t, size_t> group_end(const Shape& from, const std::vector<size_t>& axes, size_t i,
                                    const Shape& to, const std::vector<size_t>& to_axes, size_t j) {
  Dim left = 1;
  for (size_t end = i; end < axes.size(); ++end) {
    left *= from[axes[end]];
    Dim right = 1;
    for (size_t to_end = j; to_end < to_axes.size(); ++to_end) {
      right *= to[to_axes[to_end]];
      if (left == right) return {end + 1, to_end + 1};
    }
  }
  return {axes.size(), to_axes.size()};
}

}  // namespace

std::vector<ReshapeGroup> reshape_groups(const Shape& from, const Shape& to) {
  const std::vector<size_t> axes = long_axes(from), to_axes = long_axes(to);
  std::vector<ReshapeGroup> result;
  size_t i = 0, j = 0;
  while (i < axes.size() && j < to_axes.size()) {
    const auto [end, to_end] = group_end(from, axes, i, to, to_axes, j);
    result.push_back({axes[i], axes[end - 1] + 1, to_axes[j], to_axes[to_end - 1] + 1});
    i = end;
    j = to_end;
  }
  // What is left has one element in all: symbolic extents that must be 1. It belongs to the last group.
  if (!result.empty() && i < axes.size()) result.back().end = axes.back() + 1;
  if (!result.empty() && j < to_axes.size()) result.back().to_end = to_axes.back() + 1;
  return result;
}

Index reshape_index(const Shape& from, const Index& index, const Shape& to) {
  Index result(to.size(), integer(0));
  for (const ReshapeGroup& group : reshape_groups(from, to)) {
    Expr position = integer(0);
    for (size_t i = group.begin; i < group.end; ++i) position = position * dim(from[i]) + index[i];
    for (size_t i = group.to_end; i-- > group.to_begin;) {
      if (to[i] == Dim(1)) continue;
      const bool outermost = i == group.to_begin;
      result[i] = outermost ? position : binary(ExprOp::kMod, position, dim(to[i]));
      if (!outermost) position = binary(ExprOp::kFloorDiv, position, dim(to[i]));
    }
  }
  return result;
}

namespace {

Index expand_index(const Shape& base, const Shape& shape, const Index& index) {
  Index result;
  const size_t added = shape.size() - base.size();
  for (size_t i = 0; i < base.size(); ++i) {
    const Expr& position = index[added + i];
    if (base[i] == Dim(1)) {
      result.push_back(integer(0));
    } else if (base[i].is_constant() || base[i] == shape[added + i]) {
      result.push_back(position);
    } else {
      result.push_back(select(equal(dim(base[i]), integer(1)), integer(0), position));
    }
  }
  return result;
}

}  // namespace

Index index_in_base(const Program& program, BufferId id, const Index& index) {
  const Buffer& buffer = program.buffer(id);
  const View& view = *buffer.view;
  const Shape& base = program.buffer(view.base).shape;
  Index result(base.size());
  switch (view.kind) {
    case ViewKind::kReshape:
      return reshape_index(buffer.shape, index, base);
    case ViewKind::kPermute:
      for (size_t i = 0; i < index.size(); ++i) result[static_cast<size_t>(view.perm[i])] = index[i];
      return result;
    case ViewKind::kSlice:
      for (size_t i = 0; i < index.size(); ++i) result[i] = index[i] * dim(view.step[i]) + dim(view.start[i]);
      return result;
    case ViewKind::kExpand:
      return expand_index(base, buffer.shape, index);
  }
  return result;
}

Index index_in_root(const Program& program, BufferId id, Index index) {
  for (; program.buffer(id).view; id = program.buffer(id).view->base)
    index = index_in_base(program, id, index);
  return index;
}

std::optional<Index> index_in_view(const Program& program, BufferId id, const Index& root_index) {
  const Buffer& buffer = program.buffer(id);
  if (!buffer.view) return root_index;
  const View& view = *buffer.view;
  const Shape& base = program.buffer(view.base).shape;
  std::optional<Index> index = index_in_view(program, view.base, root_index);
  if (!index) return std::nullopt;
  Index result;
  switch (view.kind) {
    case ViewKind::kReshape:
      return reshape_index(base, *index, buffer.shape);
    case ViewKind::kPermute:
      for (int axis : view.perm) result.push_back((*index)[static_cast<size_t>(axis)]);
      return result;
    case ViewKind::kSlice:
      return buffer.shape == base ? index : std::nullopt;
    case ViewKind::kExpand: {
      const size_t added = buffer.shape.size() - base.size();
      for (size_t i = 0; i < buffer.shape.size(); ++i) {
        if (i < added ? buffer.shape[i] != Dim(1) : buffer.shape[i] != base[i - added]) return std::nullopt;
        result.push_back(i < added ? integer(0) : (*index)[i - added]);
      }
      return result;
    }
  }
  return std::nullopt;
}

}  // namespace dlc::ir
