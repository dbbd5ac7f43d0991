// Operators on shapes: what changes the extents of a tensor and none of its elements.
#include <algorithm>

#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_axes.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

// ---- Shape, Size

void infer_shape(InferContext& context) {
  const Shape& shape = context.shape(0);
  int64_t rank = context.rank(0);
  auto clamped = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  int64_t start = clamped(context.node().attribute<int64_t>("start", 0));
  int64_t end = clamped(context.node().attribute<int64_t>("end", rank));
  std::vector<Dim> value;
  for (int64_t axis = start; axis < end; ++axis) value.push_back(shape[static_cast<size_t>(axis)]);
  context.set_output(0, Type(DType::kInt64, {Dim(static_cast<int64_t>(value.size()))}));
  context.set_shape_value(0, std::move(value));
}

void infer_size(InferContext& context) {
  context.set_output(0, Type(DType::kInt64, {}));
  context.set_shape_value(0, {product(context.shape(0))});
}

void lower_known(LowerContext& context) {
  check(lower_shape_value(context), "the extents of a tensor have a shape value");
}

// ---- Identity

void infer_identity(InferContext& context) {
  context.set_output(0, context.input_type(0));
  if (!context.input_type(0).is_tensor()) return;
  if (auto value = context.shape_value(0)) propagate(context, 0, std::move(*value));
}

void lower_identity(LowerContext& context) { context.alias_output(0, context.input(0)); }

// ---- Reshape

// The output is output 0 of the node, of the given extents and of the input's elements.
void set_reshaped(InferContext& context, Shape shape) {
  bool small = shape.size() <= 1;
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
  auto value = context.shape_value(0);
  if (small && value) propagate(context, 0, std::move(*value));
}

// The extent that a -1 stands for.
Dim remaining_extent(InferContext& context, const Shape& known) {
  Dim total = product(context.shape(0));
  Dim divisor = product(known);
  if (auto quotient = divide_exact(total, divisor)) return *quotient;
  if (divisor == Dim(0)) return 0;
  if (total.is_constant() && divisor.is_constant()) {
    context.fail("cannot reshape {} elements into {} and one inferred extent", total.value(),
                 to_string(known));
  }
  return floor_div(total, divisor);
}

Shape target_shape(InferContext& context, const std::vector<Dim>& target) {
  bool allow_zero = context.node().attribute<int64_t>("allowzero", 0) != 0;
  const Shape& from = context.shape(0);
  Shape result;
  Shape known;
  std::optional<size_t> inferred;
  for (size_t i = 0; i < target.size(); ++i) {
    Dim extent = target[i];
    if (extent == Dim(-1)) {
      if (inferred) context.fail("the target shape {} has more than one -1", to_string(target));
      inferred = i;
      result.emplace_back(0);
      continue;
    }
    if (extent == Dim(0) && !allow_zero) {
      if (i >= from.size()) context.fail("element {} of the target shape copies an axis the input lacks", i);
      extent = from[i];
    }
    if (extent.is_constant() && extent.value() < 0) {
      context.fail("element {} of the target shape: expected -1 or more, found {}", i, extent.value());
    }
    known.push_back(extent);
    result.push_back(std::move(extent));
  }
  if (inferred) {
    result[*inferred] = remaining_extent(context, known);
  } else {
    Dim from_size = product(from);
    Dim to_size = product(result);
    if (from_size.is_constant() && to_size.is_constant() && !(from_size == to_size)) {
      context.fail("cannot reshape {} into {}", to_string(from), to_string(result));
    }
  }
  return result;
}

void infer_reshape(InferContext& context) {
  require_rank(context, 1, 1);
  if (auto target = context.shape_value(1)) return set_reshaped(context, target_shape(context, *target));
  const int64_t rank = context.known(context.shape(1)[0], "the length of the target shape");
  Shape shape;
  for (size_t i = 0; i < static_cast<size_t>(rank); ++i) {
    shape.push_back(context.fresh_symbol("reshape", {product(context.shape(0))}));
  }
  set_reshaped(context, std::move(shape));
}

// Extents from a target shape that is known only during the run.
void bind_reshape(LowerContext& context) {
  bool allow_zero = context.node().attribute<int64_t>("allowzero", 0) != 0;
  const Shape& from = context.input_shape(0);
  size_t rank = context.output_shape().size();
  std::vector<Expr> extents;
  Expr known = integer(1);
  for (size_t i = 0; i < rank; ++i) {
    Expr extent = context.at_input(1, {integer(static_cast<int64_t>(i))});
    if (!allow_zero && i < from.size()) extent = select(equal(extent, integer(0)), dim(from[i]), extent);
    known = known * select(equal(extent, integer(-1)), integer(1), extent);
    extents.push_back(std::move(extent));
  }
  Expr quotient = dim(product(from)) / select(equal(known, integer(0)), integer(1), known);
  std::vector<RuntimeExtent> bindings;
  for (size_t i = 0; i < rank; ++i) {
    bindings.push_back({i, select(equal(extents[i], integer(-1)), quotient, extents[i])});
  }
  bind_extents(context, 0, bindings, "target shape");
}

void lower_reshape(LowerContext& context) {
  if (!known_values(context.node().input(1))) bind_reshape(context);
  check_equal(context, product(context.input_shape(0)), product(context.output_shape()),
              "number of elements");
  if (lower_shape_value(context)) return;
  context.alias_output(0, context.reshaped(context.input(0), context.output_shape(), "reshaped"));
}

// ---- Flatten, Squeeze, Unsqueeze

void infer_flatten(InferContext& context) {
  const Shape& shape = context.shape(0);
  int64_t rank = context.rank(0);
  int64_t axis = context.node().attribute<int64_t>("axis", 1);
  if (axis < -rank || axis > rank) context.fail("axis: expected [-{}, {}], found {}", rank, rank, axis);
  if (axis < 0) axis += rank;
  Dim outer = product(Shape(shape.begin(), shape.begin() + axis));
  Dim inner = product(Shape(shape.begin() + axis, shape.end()));
  set_reshaped(context, {outer, inner});
}

// `rank` extents that only the run knows, each at most `most`.
Shape unknown_extents(const InferContext& context, int64_t rank, const Dim& most) {
  if (rank < 0) context.fail("axes: more than the rank of the input, {}", context.rank(0));
  Shape result;
  for (int64_t i = 0; i < rank; ++i) result.push_back(context.fresh_symbol("extent", {most}));
  return result;
}

Dim greatest_extent(const Shape& shape) {
  Dim most = 1;
  for (const Dim& extent : shape) most = max(most, extent);
  return most;
}

void infer_squeeze(InferContext& context) {
  const Shape& shape = context.shape(0);
  Shape result;
  if (!known_axes(context.node(), 1)) {
    result = unknown_extents(context, context.rank(0) - count_axes(context, 1), greatest_extent(shape));
  } else if (context.has_input(1)) {
    auto axes = normalize_axes(context, *known_axes(context.node(), 1), context.rank(0));
    for (size_t i = 0; i < shape.size(); ++i) {
      if (!contains(axes, static_cast<int64_t>(i))) {
        result.push_back(shape[i]);
      } else if (shape[i].is_constant() && shape[i].value() != 1) {
        context.fail("axis {}: expected extent 1, found shape {}", i, to_string(shape));
      }
    }
  } else {
    for (const Dim& extent : shape) {
      if (!(extent == Dim(1))) result.push_back(extent);
    }
  }
  set_reshaped(context, std::move(result));
}

bool expand_squeeze(Builder& builder, Node& node) {
  if (known_axes(node, 1)) return false;
  const Shape& shape = node.input(0)->shape();
  Value* mask = mask_of_axes(builder, node.input(1), static_cast<int64_t>(shape.size()));
  auto rank = static_cast<int64_t>(node.output()->shape().size());
  Value* target = unmasked(builder, builder.dims(shape), mask, rank);
  builder.replace(node, 0, builder.op("Reshape", {node.input(0), target}, {{"allowzero", int64_t{1}}}));
  return true;
}

void infer_unsqueeze(InferContext& context) {
  const Shape& shape = context.shape(0);
  auto known = known_axes(context.node(), 1);
  if (!known) {
    int64_t rank = context.rank(0) + count_axes(context, 1);
    return set_reshaped(context, unknown_extents(context, rank, greatest_extent(shape)));
  }
  auto axes = normalize_axes(context, *known, context.rank(0) + static_cast<int64_t>(known->size()));
  Shape result;
  size_t next = 0;
  for (size_t i = 0; i < shape.size() + axes.size(); ++i) {
    bool inserted = contains(axes, static_cast<int64_t>(i));
    result.push_back(inserted ? Dim(1) : shape[next++]);
  }
  set_reshaped(context, std::move(result));
}

bool expand_unsqueeze(Builder& builder, Node& node) {
  if (known_axes(node, 1)) return false;
  Shape shape = node.input(0)->shape();
  shape.emplace_back(1);  // what the zeros before an axis at the end point to
  Value* mask = mask_of_axes(builder, node.input(1), static_cast<int64_t>(node.output()->shape().size()));
  Value* given =
      builder.op("Gather", {builder.dims(shape), zeros_before(builder, mask)}, {{"axis", int64_t{0}}});
  Value* target = choose_by_mask(builder, mask, builder.ints({1}), given);
  builder.replace(node, 0, builder.op("Reshape", {node.input(0), target}, {{"allowzero", int64_t{1}}}));
  return true;
}

void lower_view(LowerContext& context) {
  if (lower_shape_value(context)) return;
  // Squeezed axes whose extent is not known to be 1.
  check_equal(context, product(context.input_shape(0)), product(context.output_shape()),
              "number of elements");
  context.alias_output(0, context.reshaped(context.input(0), context.output_shape(), "reshaped"));
}

// Without axes, those of extent 1 go. Which these are decides on the rank: they must be known.
void lower_squeeze(LowerContext& context) {
  const Shape& shape = context.input_shape(0);
  for (size_t i = 0; i < shape.size() && !context.has_input(1); ++i) {
    if (shape[i].is_constant()) continue;
    const Dim one = Dim(1), distance = max(shape[i] - one, one - shape[i]);
    std::string message = fmt::format(
        "{}: the extent {} of axis {} is 1 and would go; give the node its axes, or the model's input its "
        "shape",
        context.node().describe(), shape[i].to_string(), i);
    context.step(Step{CheckStep{.lhs = min(distance, one), .rhs = one, .message = std::move(message)}});
  }
  lower_view(context);
}

void upgrade_axes(Graph& graph, Node& node, int) { ints_attribute_to_input(graph, node, "axes", 1); }

// ---- Expand

// The extent of the input at an axis of the output, 1 where the input has no such axis.
Dim aligned(const Shape& shape, size_t rank, size_t axis) {
  return axis + shape.size() >= rank ? shape[axis + shape.size() - rank] : Dim(1);
}

// A repeated element or the same vector.
void propagate_expand(InferContext& context, const Shape& to) {
  auto value = context.shape_value(0);
  if (!value || to.size() > 1) return;
  if (value->size() != 1 || to.empty()) return propagate(context, 0, std::move(*value));
  if (!to[0].is_constant() || to[0].value() > static_cast<int64_t>(kMaxShapeValue)) return;
  propagate(context, 0, std::vector<Dim>(static_cast<size_t>(to[0].value()), value->front()));
}

void infer_expand(InferContext& context) {
  require_rank(context, 1, 1);
  auto target = context.shape_value(1);
  Shape result;
  if (target) {
    result = broadcast_shapes(context, context.shape(0), *target);
  } else {
    const int64_t length = context.known(context.shape(1)[0], "the length of the target shape");
    size_t rank = std::max(context.shape(0).size(), static_cast<size_t>(length));
    for (size_t i = 0; i < rank; ++i) {
      Dim own = aligned(context.shape(0), rank, i);
      bool kept = (own.is_constant() && own.value() != 1) || i + static_cast<size_t>(length) < rank;
      result.push_back(kept ? own : context.fresh_symbol("expand"));
    }
  }
  context.set_output(0, Type(context.dtype(0), result));
  propagate_expand(context, result);
}

// Binds or checks the output's extents against the target shape.
void settle_expand(LowerContext& context) {
  const Shape& from = context.input_shape(0);
  const Shape& to = context.output_shape();
  auto target = known_values(context.node().input(1));
  size_t length = target ? target->size() : static_cast<size_t>(context.input_shape(1)[0].value());
  std::vector<RuntimeExtent> bindings;
  for (size_t i = 0; i < to.size(); ++i) {
    Dim own = aligned(from, to.size(), i);
    if (!target && i + length >= to.size()) {
      Expr wanted = context.at_input(1, {integer(static_cast<int64_t>(i + length - to.size()))});
      bindings.push_back({i, select(equal(wanted, integer(1)), dim(own), wanted)});
    }
  }
  bind_extents(context, 0, bindings, "target shape");
  check_broadcast(context, from, to, "input 0");
  if (target) check_broadcast(context, *target, to, "target shape");
}

void lower_expand(LowerContext& context) {
  if (lower_shape_value(context)) return;
  settle_expand(context);
  context.view_output(0, View{context.input(0), ViewKind::kExpand});
}

}  // namespace

void register_shape(OpRegistry& registry) {
  registry.add({.name = "Shape", .infer = infer_shape, .lower = lower_known});
  registry.add({.name = "Size", .infer = infer_size, .lower = lower_known});
  registry.add(
      {.name = "Identity", .infer = infer_identity, .lower = lower_identity, .traits = Trait::kMovement});
  registry.add(
      {.name = "Reshape", .infer = infer_reshape, .lower = lower_reshape, .traits = Trait::kMovement});
  registry.add({.name = "Flatten", .infer = infer_flatten, .lower = lower_view, .traits = Trait::kMovement});
  registry.add({.name = "Squeeze",
                .infer = infer_squeeze,
                .expand = expand_squeeze,
                .lower = lower_squeeze,
                .upgrades = {{13, upgrade_axes}},
                .traits = Trait::kMovement});
  registry.add({.name = "Unsqueeze",
                .infer = infer_unsqueeze,
                .expand = expand_unsqueeze,
                .lower = lower_view,
                .upgrades = {{13, upgrade_axes}},
                .traits = Trait::kMovement});
  registry.add({.name = "Expand", .infer = infer_expand, .lower = lower_expand, .traits = Trait::kMovement});
}

}  // namespace dlc::ir
