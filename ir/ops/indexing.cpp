// Gather, GatherElements, GatherND, OneHot: elements chosen by index tensors.
#include "ir/ops/indexing.h"

#include <algorithm>

#include "ir/ops/families.h"
#include "ir/ops/index_util.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

size_t gather_axis(const Node& node) {
  int64_t axis = node.attribute<int64_t>("axis", 0);
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(node.input(0)->shape().size()) : axis);
}

// ---- Gather

// The chosen elements of a shape value.
void propagate_gather(InferContext& context) {
  auto data = context.shape_value(0);
  auto indices = known_ints(context.node().input(1));
  if (context.rank(0) != 1 || context.rank(1) > 1 || !data || !indices) return;
  auto size = static_cast<int64_t>(data->size());
  std::vector<Dim> picked;
  for (int64_t index : *indices) {
    if (index < -size || index >= size) context.fail("index {} is outside of the {} elements", index, size);
    picked.push_back((*data)[static_cast<size_t>(index < 0 ? index + size : index)]);
  }
  propagate(context, 0, std::move(picked));
}

void infer_gather(InferContext& context) {
  const Shape& data = context.shape(0);
  int64_t axis = context.normalize_axis(context.node().attribute<int64_t>("axis", 0), context.rank(0));
  require_indices(context, 1, data[static_cast<size_t>(axis)]);
  Shape shape(data.begin(), data.begin() + axis);
  shape.insert(shape.end(), context.shape(1).begin(), context.shape(1).end());
  shape.insert(shape.end(), data.begin() + axis + 1, data.end());
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
  propagate_gather(context);
}

// Known indices that step forward through the axis: the gather is a slice.
struct Progression {
  Dim start;
  Dim step = 1;
};
std::optional<Progression> progression(const Value& indices, const Dim& extent) {
  auto known = known_values(&indices);
  if (!known || known->empty()) return std::nullopt;
  for (Dim& index : *known) {
    auto low = lower_bound(index);
    auto high = upper_bound(index);
    if (high && *high < 0) {
      index += extent;
    } else if (!low || *low < 0) {
      return std::nullopt;
    }
  }
  if (known->size() == 1) return Progression{known->front()};
  Dim step = (*known)[1] - (*known)[0];
  if (!step.is_constant() || step.value() <= 0) return std::nullopt;
  for (size_t i = 2; i < known->size(); ++i) {
    if (!((*known)[i] - (*known)[i - 1] == step)) return std::nullopt;
  }
  return Progression{known->front(), step};
}

bool gather_as_view(LowerContext& context, size_t axis) {
  const Shape& data = context.input_shape(0);
  auto slice = progression(*context.node().input(1), data[axis]);
  if (!slice || context.input_shape(1).size() > 1) return false;
  Dim count = product(context.input_shape(1));
  Dim last = slice->start + (count - Dim(1)) * slice->step;
  check_equal(context, max(data[axis], last + Dim(1)), data[axis], "extent of the axis that is indexed");
  if (context.input_shape(1).empty()) {
    context.alias_output(0, select_axis(context, context.input(0), axis, slice->start, "element"));
    return true;
  }
  View view{context.input(0), ViewKind::kSlice};
  view.start.assign(data.size(), 0);
  view.step.assign(data.size(), 1);
  view.start[axis] = slice->start;
  view.step[axis] = slice->step;
  context.view_output(0, std::move(view));
  return true;
}

void lower_gather(LowerContext& context) {
  if (lower_shape_value(context)) return;
  size_t axis = gather_axis(context.node());
  if (gather_as_view(context, axis)) return;
  const Dim& extent = context.input_shape(0)[axis];
  IndexRange range = index_range(*context.node().input(1));
  check_indices(context, 1, extent);
  auto index_rank = static_cast<ptrdiff_t>(context.input_shape(1).size());
  context.map_output([&](const Index& index) {
    auto middle = index.begin() + static_cast<ptrdiff_t>(axis);
    Index from(index.begin(), middle);
    from.push_back(position_of(context.at_input(1, Index(middle, middle + index_rank)), extent, range));
    from.insert(from.end(), middle + index_rank, index.end());
    return context.at_input(0, std::move(from));
  });
}

// ---- GatherElements

void infer_gather_elements(InferContext& context) {
  int64_t axis = context.normalize_axis(context.node().attribute<int64_t>("axis", 0), context.rank(0));
  require_rank(context, 1, context.rank(0));
  require_indices(context, 1, context.shape(0)[static_cast<size_t>(axis)]);
  context.set_output(0, Type(context.dtype(0), context.shape(1)));
}

// Indices may not reach beyond the data along the other axes.
void check_within(LowerContext& context, size_t axis) {
  const Shape& data = context.input_shape(0);
  const Shape& indices = context.input_shape(1);
  for (size_t i = 0; i < data.size(); ++i) {
    if (i != axis)
      check_equal(context, max(indices[i], data[i]), data[i], fmt::format("axis {} of indices", i));
  }
}

void lower_gather_elements(LowerContext& context) {
  size_t axis = gather_axis(context.node());
  const Dim& extent = context.input_shape(0)[axis];
  IndexRange range = index_range(*context.node().input(1));
  check_indices(context, 1, extent);
  check_within(context, axis);
  context.map_output([&](const Index& index) {
    Index from = index;
    from[axis] = position_of(context.at_input(1, index), extent, range);
    return context.at_input(0, std::move(from));
  });
}

// ---- GatherND

void infer_gather_nd(InferContext& context) {
  require_rank_at_least(context, 0, 1);
  require_rank_at_least(context, 1, 1);
  if (!is_integer(context.dtype(1)))
    context.fail("expected integer indices, found {}", name(context.dtype(1)));
  const Shape& data = context.shape(0);
  const Shape& indices = context.shape(1);
  int64_t batch = context.node().attribute<int64_t>("batch_dims", 0);
  if (batch < 0 || batch >= std::min(context.rank(0), context.rank(1))) {
    context.fail("batch_dims: expected [0, {}), found {}", std::min(context.rank(0), context.rank(1)), batch);
  }
  const int64_t width = context.known(indices.back(), "the last extent of the indices");
  if (width < 1 || width > context.rank(0) - batch) {
    context.fail("last extent of indices: expected 1 to {}, found {}", context.rank(0) - batch, width);
  }
  for (size_t i = 0; i < static_cast<size_t>(batch); ++i) {
    require_equal_extents(context, data[i], indices[i], fmt::format("batch axis {}", i));
  }
  Shape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), data.begin() + batch + width, data.end());
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void lower_gather_nd(LowerContext& context) {
  const Shape& data = context.input_shape(0);
  auto batch = static_cast<size_t>(context.node().attribute<int64_t>("batch_dims", 0));
  for (size_t i = 0; i < batch; ++i) check_equal(context, data[i], context.input_shape(1)[i], "batch axis");
  check_index_tuples(context, batch);
  context.map_output([&](const Index& index) {
    size_t outer = context.input_shape(1).size() - 1;
    Index tuple(index.begin(), index.begin() + static_cast<ptrdiff_t>(outer));
    Index from(index.begin(), index.begin() + static_cast<ptrdiff_t>(batch));
    for (Expr& position : tuple_positions(context, tuple, batch)) from.push_back(std::move(position));
    from.insert(from.end(), index.begin() + static_cast<ptrdiff_t>(outer), index.end());
    return context.at_input(0, std::move(from));
  });
}

// ---- OneHot

size_t one_hot_axis(const Node& node) {
  int64_t axis = node.attribute<int64_t>("axis", -1);
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(node.input(0)->shape().size()) + 1
                                      : axis);
}

void infer_one_hot(InferContext& context) {
  context.normalize_axis(context.node().attribute<int64_t>("axis", -1), context.rank(0) + 1);
  require_single(context, 1);
  require_rank(context, 2, 1);
  require_equal_extents(context, context.shape(2)[0], Dim(2), "values for off and on");
  Shape shape = context.shape(0);
  Dim depth;
  auto values = context.shape_value(1);
  auto number = known_number(context.node().input(1));
  if (values && values->size() == 1) {
    depth = values->front();
  } else if (number) {
    depth = static_cast<int64_t>(*number);
  } else {
    depth = context.fresh_symbol("depth");
  }
  if (depth.is_constant() && depth.value() < 0)
    context.fail("depth: expected 0 or more, found {}", depth.value());
  shape.insert(shape.begin() + static_cast<ptrdiff_t>(one_hot_axis(context.node())), depth);
  context.set_output(0, Type(context.dtype(2), std::move(shape)));
}

void lower_one_hot(LowerContext& context) {
  size_t axis = one_hot_axis(context.node());
  const Value* depth_value = context.node().input(1);
  if (!known_values(depth_value) && !known_number(depth_value)) {
    Expr depth = single_element(context, 1);
    bind_extents(context, 0, {{axis, cast(depth, DType::kInt64)}}, "depth");
  }
  check_equal(context, context.input_shape(2)[0], 2, "values for off and on");
  Expr depth = dim(context.output_shape()[axis]);
  context.map_output([&](const Index& index) {
    Index from = index;
    from.erase(from.begin() + static_cast<ptrdiff_t>(axis));
    Expr hot = cast(context.at_input(0, std::move(from)), DType::kInt64);
    hot = select(hot < integer(0), hot + depth, hot);
    return select(equal(hot, index[axis]), context.at_input(2, {integer(1)}),
                  context.at_input(2, {integer(0)}));
  });
}

}  // namespace

void register_indexing(OpRegistry& registry) {
  constexpr Trait kMoves = Trait::kMovement;
  registry.add({.name = "Gather", .infer = infer_gather, .lower = lower_gather, .traits = kMoves});
  registry.add({.name = "GatherElements",
                .infer = infer_gather_elements,
                .lower = lower_gather_elements,
                .traits = kMoves});
  registry.add({.name = "GatherND", .infer = infer_gather_nd, .lower = lower_gather_nd, .traits = kMoves});
  registry.add({.name = "OneHot", .infer = infer_one_hot, .lower = lower_one_hot});
  for (OpDef& op : scatter_records()) registry.add(std::move(op));
  for (OpDef& op : selection_records()) registry.add(std::move(op));
}

}  // namespace dlc::ir
