// Adjoints of pools: every element of the input collects from the windows that it lies in, so that elements
// are independent of one another.
#include "ir/ops/pool_gradient.h"

#include <algorithm>

#include "ir/ops/infer_util.h"
#include "ir/ops/window.h"

namespace dlc::ir {
namespace {

std::vector<WindowAxis> pool_windows(const Node& node) {
  return windows_of(node, spatial_axes(dims_attribute(node)), kernel_attribute(node));
}

void infer_adjoint(InferContext& context) {
  require_type(context, 0, TypeClass::kFloat);
  Shape shape = dims_attribute(context.node());
  require_rank(context, 0, static_cast<int64_t>(shape.size()));
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

Expr ceil_quotient(const Expr& a, int64_t b) {
  return b == 1 ? a : binary(ExprOp::kFloorDiv, a + integer(b - 1), integer(b));
}

Expr floor_quotient(const Expr& a, int64_t b) {
  return b == 1 ? a : binary(ExprOp::kFloorDiv, a, integer(b));
}

// Windows [first, last) of one axis that reach an input coordinate.
Expr first_window(const WindowAxis& axis, const Expr& coordinate) {
  Expr position = coordinate + dim(axis.pad_begin - axis.reach() + Dim(1));
  return max(integer(0), ceil_quotient(position, axis.stride));
}

Expr last_window(const WindowAxis& axis, const Expr& coordinate) {
  Expr position = floor_quotient(coordinate + dim(axis.pad_begin), axis.stride);
  return min(dim(axis.output), position + integer(1));
}

// The number of elements of a window.
Expr window_size(const std::vector<WindowAxis>& axes, const Index& window, bool with_padding) {
  Expr result = integer(1);
  for (size_t i = 0; i < axes.size(); ++i) {
    result = result * (with_padding ? padded_taps(axes[i], window[i])
                                    : last_tap(axes[i], window[i]) - first_tap(axes[i], window[i]));
  }
  return result;
}

// From the first element of a window to an input coordinate.
Expr distance_in(const WindowAxis& axis, const Expr& coordinate, const Expr& window) {
  return coordinate + dim(axis.pad_begin) - window * integer(axis.stride);
}

// A dilated window jumps over elements.
Expr is_tapped(const WindowAxis& axis, const Expr& coordinate, const Expr& window) {
  Expr distance = distance_in(axis, coordinate, window);
  return equal(binary(ExprOp::kMod, distance, integer(axis.dilation)), integer(0));
}

// What a window gives to an element of the input: `window` is the index of its output.
using Share = std::function<Expr(const Index& window, const Index& element)>;

// Whether windows have no element in common.
bool are_apart(const std::vector<WindowAxis>& axes) {
  return std::all_of(axes.begin(), axes.end(), [](const WindowAxis& axis) {
    return axis.dilation == 1 && axis.kernel.is_constant() && axis.kernel.value() <= axis.stride &&
           axis.output.is_constant() && axis.output.value() > 0;
  });
}

// The sum below, where an element lies in one window at most.
void lower_map_of_windows(LowerContext& context, const std::vector<WindowAxis>& axes, const Share& share) {
  const DType stored = context.output_type().dtype;
  context.map_output([&](const Index& element) {
    Index window = {element[0], element[1]};
    Expr is_inside = boolean(true);
    for (size_t i = 0; i < axes.size(); ++i) {
      const WindowAxis& axis = axes[i];
      const Expr position = element[2 + i] + dim(axis.pad_begin);
      const Expr number = floor_quotient(position, axis.stride);
      window.push_back(min(number, dim(axis.output - Dim(1))));
      is_inside = is_inside && number < dim(axis.output);
      if (axis.kernel == Dim(axis.stride)) continue;
      const Expr tap = position - number * integer(axis.stride);
      is_inside = is_inside && tap < dim(axis.kernel);
    }
    const Expr value = share(window, element);
    return cast(select(is_inside, value, constant(value.type(), 0)), stored);
  });
}

// output[i] = sum of share(w, i) over the windows w that hold i. Channels are the innermost loop around the
// windows, as in the pools.
void lower_adjoint(LowerContext& context, const Share& share) {
  std::vector<WindowAxis> axes = pool_windows(context.node());
  if (are_apart(axes)) return lower_map_of_windows(context, axes, share);
  const Shape& shape = context.output_shape();
  Shape loops = {shape[0]};
  loops.insert(loops.end(), shape.begin() + 2, shape.end());
  loops.push_back(shape[1]);
  std::vector<VarId> vars = loop_vars(context, loops);
  Index at = index_of(vars);
  Index element = {at.front(), at.back()};
  element.insert(element.end(), at.begin() + 1, at.end() - 1);
  Index window = {element[0], element[1]};
  std::vector<VarId> window_vars;
  for (size_t i = 0; i < axes.size(); ++i) {
    window_vars.push_back(context.fresh_var());
    window.push_back(var(window_vars.back()));
  }
  DType type = compute_type(context.output_type().dtype);
  Expr value = share(window, element);
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].dilation == 1) continue;
    value = select(is_tapped(axes[i], element[2 + i], window[2 + i]), value, constant(type, 0));
  }
  VarId total = context.fresh_var();
  Block block = {reduce_into(total, Combiner::kSum, value)};
  for (size_t i = axes.size(); i-- > 0;) {
    Stmt loop = for_range(window_vars[i], first_window(axes[i], element[2 + i]),
                          last_window(axes[i], element[2 + i]), std::move(block));
    block = {std::move(loop)};
  }
  block.insert(block.begin(), let(total, constant(type, 0)));
  block.push_back(store(context.output(), element, cast(var(total, type), context.output_type().dtype)));
  context.loop_nest(nest(vars, loops, loops.size(), std::move(block)));
}

void lower_sum_pool_gradient(LowerContext& context) {
  lower_adjoint(context,
                [&](const Index& window, const Index&) { return widen(context.at_input(0, window)); });
}

void lower_average_pool_gradient(LowerContext& context) {
  std::vector<WindowAxis> axes = pool_windows(context.node());
  bool with_padding = context.node().attribute<int64_t>("count_include_pad", 0) != 0;
  lower_adjoint(context, [&](const Index& window, const Index&) {
    Expr dy = widen(context.at_input(0, window));
    Index spatial(window.begin() + 2, window.end());
    return dy / cast(window_size(axes, spatial, with_padding), dy.type());
  });
}

// Input 1 holds for each window the row-major number of the tap with its maximum.
void lower_max_pool_gradient(LowerContext& context) {
  std::vector<WindowAxis> axes = pool_windows(context.node());
  lower_adjoint(context, [&](const Index& window, const Index& element) {
    Index taps;
    for (size_t i = 0; i < axes.size(); ++i) {
      taps.push_back(floor_quotient(distance_in(axes[i], element[2 + i], window[2 + i]), axes[i].dilation));
    }
    Expr dy = widen(context.at_input(0, window));
    Expr hit = equal(context.at_input(1, window), cast(tap_number(axes, taps), DType::kInt32));
    return select(hit, dy, constant(dy.type(), 0));
  });
}

}  // namespace

void register_pool_gradient(OpRegistry& registry) {
  struct Row {
    const char* name;
    void (*lower)(LowerContext&);
  };
  const Row rows[] = {{"SumPoolGradient", lower_sum_pool_gradient},
                      {"AveragePoolGradient", lower_average_pool_gradient},
                      {"MaxPoolGradient", lower_max_pool_gradient}};
  for (const Row& row : rows) {
    registry.add({.domain = "dlc", .name = row.name, .infer = infer_adjoint, .lower = row.lower});
  }
}

}  // namespace dlc::ir
