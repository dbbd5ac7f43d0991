// Slice: a view where the steps are positive.
#include "ir/ops/slice.h"

#include <algorithm>
#include <numeric>

#include "ir/ops/infer_util.h"
#include "ir/ops/movement.h"
#include "ir/ops/runtime_axes.h"
#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

// From here on a bound means "to the end"; files use the largest and smallest int32 or int64.
constexpr int64_t kFarAway = INT32_MAX;

bool is_far(const Dim& bound) { return bound.is_constant() && bound.value() >= kFarAway; }
bool is_far_negative(const Dim& bound) { return bound.is_constant() && bound.value() <= -kFarAway; }

// Negative positions count from the end.
Dim from_start(const Dim& position, const Dim& extent) {
  auto low = lower_bound(position);
  auto high = upper_bound(position);
  if (low && *low >= 0) return position;
  if (high && *high < 0) return position + extent;
  return position + extent * min(Dim(1), max(Dim(0), -position));
}

SliceWindow forward_window(const Dim& extent, const Dim& start, const Dim& end, int64_t step) {
  Dim first = is_far(start) ? extent : is_far_negative(start) ? Dim(0) : from_start(start, extent);
  Dim last = is_far(end) ? extent : is_far_negative(end) ? Dim(0) : min(from_start(end, extent), extent);
  // A start beyond the end needs no clamping: the length is then zero.
  auto low = lower_bound(first);
  bool clamped = !low || *low < 0;
  Dim length =
      clamped && last == extent ? min(extent, extent - first) : max(Dim(0), last - max(Dim(0), first));
  if (clamped) first = max(Dim(0), first);
  return {first, ceil_div(length, step)};
}

SliceWindow backward_window(const Dim& extent, const Dim& start, const Dim& end, int64_t step) {
  Dim top = extent - Dim(1);
  Dim first = is_far(start) ? top : is_far_negative(start) ? Dim(0) : min(from_start(start, extent), top);
  Dim last = is_far(end)            ? top
             : is_far_negative(end) ? Dim(-1)
                                    : min(max(from_start(end, extent), Dim(-1)), top);
  first = max(first, Dim(0));
  // An empty axis has no start within it.
  Dim length = min(extent, max(Dim(0), first - last));
  return {first, ceil_div(length, -step)};
}

}  // namespace

std::vector<AxisSlice> slices_of(const Node& node) {
  const Shape& shape = node.input(0)->shape();
  auto starts = known_values(node.input(1));
  auto ends = known_values(node.input(2));
  auto axes = known_ints(node.input(3));
  auto steps = known_ints(node.input(4));
  size_t count = axes ? axes->size() : static_cast<size_t>(node.input(1)->shape()[0].value());
  std::vector<AxisSlice> result;
  for (size_t i = 0; i < count; ++i) {
    int64_t axis = axes ? (*axes)[i] : static_cast<int64_t>(i);
    AxisSlice slice{
        static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(shape.size()) : axis), i, {}, {}};
    if (node.input(4) == nullptr) slice.step = 1;
    if (steps) slice.step = (*steps)[i];
    if (starts && ends && slice.step) {
      auto window = *slice.step > 0 ? forward_window : backward_window;
      slice.window = window(shape[slice.axis], (*starts)[i], (*ends)[i], *slice.step);
    }
    result.push_back(std::move(slice));
  }
  return result;
}

namespace {

void check_inputs(InferContext& context) {
  for (size_t i = 1; i < context.node().inputs().size(); ++i) {
    if (context.has_input(i)) require_rank(context, i, 1);
  }
  const Dim count = context.known(context.shape(1)[0], "the number of starts");
  for (size_t i = 2; i < context.node().inputs().size(); ++i) {
    if (context.has_input(i))
      require_equal_extents(context, context.shape(i)[0], count, fmt::format("input {}", i));
  }
  auto given = known_axes(context.node(), 3);
  if (given)
    normalize_axes(context, context.has_input(3) ? *given : all_axes(count.value()), context.rank(0));
  auto steps = known_ints(context.node().input(4));
  if (steps && std::count(steps->begin(), steps->end(), 0) > 0) context.fail("steps: expected no 0");
}

void infer_slice(InferContext& context) {
  check_inputs(context);
  Shape shape = context.shape(0);
  if (!known_axes(context.node(), 3)) {
    for (Dim& extent : shape) extent = context.fresh_symbol("slice", {extent});
    return context.set_output(0, Type(context.dtype(0), std::move(shape)));
  }
  auto slices = slices_of(context.node());
  for (const AxisSlice& slice : slices) {
    Dim extent = shape[slice.axis];
    shape[slice.axis] = slice.window ? slice.window->length : context.fresh_symbol("slice", {extent});
  }
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
  auto value = context.rank(0) == 1 ? context.shape_value(0) : std::nullopt;
  if (!value || slices.size() > 1) return;
  if (slices.empty()) return propagate(context, 0, std::move(*value));
  const auto& window = slices[0].window;
  if (!window || !window->start.is_constant() || !window->length.is_constant()) return;
  std::vector<Dim> picked;
  for (int64_t i = 0; i < window->length.value(); ++i) {
    picked.push_back((*value)[static_cast<size_t>(window->start.value() + i * *slices[0].step)]);
  }
  propagate(context, 0, std::move(picked));
}

// Axes that only the run knows: the other axes are sliced whole.
bool expand_slice(Builder& builder, Node& node) {
  if (known_axes(node, 3)) return false;
  auto rank = static_cast<int64_t>(node.input(0)->shape().size());
  auto spread = [&](size_t input, int64_t fallback) {
    return scatter_to_axes(builder, node.input(input), node.input(3), rank, fallback);
  };
  std::vector<Value*> inputs = {node.input(0), spread(1, 0), spread(2, INT64_MAX),
                                builder.ints(all_axes(rank))};
  if (node.input(4) != nullptr) inputs.push_back(spread(4, 1));
  builder.replace(node, 0, builder.op("Slice", std::move(inputs)));
  return true;
}

// The window of an axis whose bounds are known only during the run; binds the output's extent.
struct BoundSlice {
  Dim start;
  Dim step;
};
BoundSlice bind_window(LowerContext& context, const AxisSlice& slice) {
  Expr extent = dim(context.input_shape(0)[slice.axis]);
  auto element = [&](size_t input) {
    return cast(context.at_input(input, {integer(static_cast<int64_t>(slice.position))}), DType::kInt64);
  };
  Expr step = slice.step ? integer(*slice.step) : element(4);
  Expr zero = integer(0);
  Expr one = integer(1);
  auto wrapped = [&](const Expr& position) { return select(position < zero, position + extent, position); };
  Expr forward = step > zero;
  Expr start = max(zero, min(wrapped(element(1)), select(forward, extent, extent - one)));
  Expr end = min(max(wrapped(element(2)), select(forward, zero, integer(-1))),
                 select(forward, extent, extent - one));
  Expr distance = select(forward, end - start, start - end);
  Expr stride = max(one, unary(ExprOp::kAbs, step));
  Expr length = binary(ExprOp::kFloorDiv, max(zero, min(distance, extent)) + stride - one, stride);
  BoundSlice bound{bind_number(context, start, 0, INT64_MAX, "start"), slice.step.value_or(0)};
  if (!slice.step) {
    check_all(context, {},
              {[&](const Index&) { return not_equal(step, zero); }, [&](const Index&) { return step; },
               "step", "a number other than 0"});
    bound.step = bind_number(context, step, INT64_MIN, INT64_MAX, "step");
  }
  bind_extents(context, 0, {{slice.axis, length}}, "length");
  return bound;
}

void lower_slice(LowerContext& context) {
  if (lower_shape_value(context)) return;
  size_t rank = context.input_shape(0).size();
  std::vector<Dim> start(rank, 0);
  std::vector<Dim> step(rank, 1);
  bool is_view = true;
  for (const AxisSlice& slice : slices_of(context.node())) {
    BoundSlice bound =
        slice.window ? BoundSlice{slice.window->start, *slice.step} : bind_window(context, slice);
    start[slice.axis] = bound.start;
    step[slice.axis] = bound.step;
    is_view = is_view && slice.step && *slice.step > 0;
  }
  if (is_view) {
    View view{context.input(0), ViewKind::kSlice};
    view.start = std::move(start);
    view.step = std::move(step);
    return context.view_output(0, std::move(view));
  }
  context.map_output([&](const Index& index) {
    Index from;
    for (size_t i = 0; i < rank; ++i) from.push_back(dim(start[i]) + index[i] * dim(step[i]));
    return context.at_input(0, std::move(from));
  });
}

// Attributes become inputs.
void upgrade_slice(Graph& graph, Node& node, int) {
  ints_attribute_to_input(graph, node, "starts", 1);
  ints_attribute_to_input(graph, node, "ends", 2);
  ints_attribute_to_input(graph, node, "axes", 3);
}

}  // namespace

OpDef slice_record() {
  return {.name = "Slice",
          .infer = infer_slice,
          .expand = expand_slice,
          .lower = lower_slice,
          .upgrades = {{10, upgrade_slice}},
          .traits = Trait::kMovement};
}

}  // namespace dlc::ir
