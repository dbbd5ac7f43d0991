// ScatterElements, ScatterND, TensorScatter: a copy of a tensor with some elements replaced or combined.
#include <algorithm>
#include <set>

#include "ir/ops/index_util.h"
#include "ir/ops/indexing.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

// Nothing for "none": the element is replaced.
struct Reduction {
  bool valid = true;
  std::optional<Combiner> combiner;
};
Reduction reduction_of(const Node& node) {
  std::string name = node.attribute<std::string>("reduction", "none");
  if (name == "none") return {};
  if (name == "add") return {true, Combiner::kSum};
  if (name == "mul") return {true, Combiner::kProd};
  if (name == "max") return {true, Combiner::kMax};
  if (name == "min") return {true, Combiner::kMin};
  return {false, {}};
}

void require_reduction(InferContext& context) {
  Reduction reduction = reduction_of(context.node());
  if (reduction.combiner && context.dtype(0) == DType::kString)
    context.fail("reduction: expected none for strings, found '{}'",
                 context.node().attribute<std::string>("reduction"));
  if (reduction.valid) return;
  context.fail("reduction: expected none, add, mul, max or min, found '{}'",
               context.node().attribute<std::string>("reduction"));
}

Stmt update(BufferId buffer, Index index, Expr value, std::optional<Combiner> combiner) {
  if (!combiner) return store(buffer, std::move(index), std::move(value));
  return Stmt{Scatter{buffer, std::move(index), *combiner, std::move(value)}};
}

// Loops over the updates; `parallel` of the outer ones may run on several threads.
void scatter_loops(LowerContext& context, BufferId updates_buffer, size_t parallel,
                   const std::function<Index(const Index&)>& target, std::optional<Combiner> combiner) {
  const Shape updates = context.program().buffer(updates_buffer).shape;
  std::vector<VarId> vars;
  Index index;
  for (size_t i = 0; i < updates.size(); ++i) {
    vars.push_back(context.fresh_var());
    index.push_back(var(vars.back()));
  }
  Expr value = context.at(updates_buffer, index);
  Block body;
  body.push_back(update(context.output(), target(index), std::move(value), combiner));
  context.loop_nest(nest(vars, updates, parallel, std::move(body)), "scatter");
}

// ---- ScatterElements

size_t scatter_axis(const Node& node) {
  int64_t axis = node.attribute<int64_t>("axis", 0);
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(node.input(0)->shape().size()) : axis);
}

void infer_scatter_elements(InferContext& context) {
  require_reduction(context);
  int64_t axis = context.normalize_axis(context.node().attribute<int64_t>("axis", 0), context.rank(0));
  require_rank(context, 1, context.rank(0));
  require_rank(context, 2, context.rank(0));
  require_indices(context, 1, context.shape(0)[static_cast<size_t>(axis)]);
  for (size_t i = 0; i < context.shape(0).size(); ++i) {
    require_equal_extents(context, context.shape(1)[i], context.shape(2)[i],
                          fmt::format("axis {} of updates", i));
  }
  infer_same_as_input(context);
}

void lower_scatter_elements(LowerContext& context) {
  size_t axis = scatter_axis(context.node());
  const Shape& data = context.input_shape(0);
  const Shape& indices = context.input_shape(1);
  IndexRange range = index_range(*context.node().input(1));
  check_indices(context, 1, data[axis]);
  for (size_t i = 0; i < data.size(); ++i) {
    check_equal(context, indices[i], context.input_shape(2)[i], "updates");
    if (i != axis) check_equal(context, max(indices[i], data[i]), data[i], "indices");
  }
  copy(context, context.output(), context.input(0), "scatter_copy");
  auto target = [&](const Index& index) {
    Index to = index;
    to[axis] = position_of(context.at_input(1, index), data[axis], range);
    return to;
  };
  scatter_loops(context, context.input(2), 0, target, reduction_of(context.node()).combiner);
}

// ---- ScatterND

// Where the extent of the tuples is a symbol, the ranks of the other values of a ScatterND tell it.
int64_t tuple_width(const Node& node) {
  const Shape& indices = node.input(1)->shape();
  if (auto width = indices.back().constant()) return *width;
  return static_cast<int64_t>(indices.size() - 1 + node.input(0)->shape().size()) -
         static_cast<int64_t>(node.input(2)->shape().size());
}

// Replaced elements of a shape value.
void propagate_scatter(InferContext& context) {
  auto data = context.shape_value(0);
  auto updates = context.shape_value(2);
  const Value* indices = context.node().input(1);
  if (context.rank(0) != 1 || context.rank(1) != 2 || !data || !updates || !indices->is_constant()) return;
  if (reduction_of(context.node()).combiner) return;
  auto size = static_cast<int64_t>(data->size());
  for (size_t i = 0; i < updates->size(); ++i) {
    int64_t index = indices->constant().get_int(static_cast<int64_t>(i));
    (*data)[static_cast<size_t>(index < 0 ? index + size : index)] = (*updates)[i];
  }
  propagate(context, 0, std::move(*data));
}

void infer_scatter_nd(InferContext& context) {
  require_reduction(context);
  require_rank_at_least(context, 0, 1);
  require_rank_at_least(context, 1, 1);
  if (!is_integer(context.dtype(1)))
    context.fail("expected integer indices, found {}", name(context.dtype(1)));
  const Shape& data = context.shape(0);
  const Shape& indices = context.shape(1);
  const int64_t width = tuple_width(context.node());
  if (width < 0 || width > context.rank(0)) {
    context.fail("last extent of indices: expected at most {}, found {}", data.size(), width);
  }
  Shape expected(indices.begin(), indices.end() - 1);
  expected.insert(expected.end(), data.begin() + width, data.end());
  require_rank(context, 2, static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    require_equal_extents(context, expected[i], context.shape(2)[i], fmt::format("axis {} of updates", i));
  }
  const Value* value = context.node().input(1);
  if (width == 1) require_indices(context, 1, data[0]);
  infer_same_as_input(context);
  if (value->is_constant()) propagate_scatter(context);
}

// Whether no tuple of constant indices occurs twice.
bool all_distinct(const Tensor& indices, const Shape& data) {
  int64_t width = indices.shape().back();
  std::set<std::vector<int64_t>> seen;
  for (int64_t i = 0; i < indices.size(); i += std::max<int64_t>(width, 1)) {
    std::vector<int64_t> tuple;
    for (int64_t j = 0; j < width; ++j) {
      int64_t index = indices.get_int(i + j);
      auto extent = data[static_cast<size_t>(j)].constant();
      if (index < 0 && !extent) return false;
      tuple.push_back(index < 0 ? index + *extent : index);
    }
    if (!seen.insert(std::move(tuple)).second) return false;
  }
  return true;
}

// Element j of all index tuples.
IndexRange tuple_range(const Value& indices, int64_t j) {
  if (!indices.is_constant()) return index_range(indices);
  const Tensor& tensor = indices.constant();
  IndexRange range{0, -1};
  for (int64_t i = j; i < tensor.size(); i += tensor.shape().back()) {
    int64_t index = tensor.get_int(i);
    range.low = i == j ? index : std::min(*range.low, index);
    range.high = i == j ? index : std::max(*range.high, index);
  }
  return range;
}

// Index tuples that are affine in their position and in range need no table.
std::optional<AffineIndices> affine_tuples(const Value& indices, const Shape& data) {
  if (!indices.is_constant()) return std::nullopt;
  for (int64_t j = 0; j < indices.shape().back().value(); ++j) {
    IndexRange range = tuple_range(indices, j);
    if (*range.low < 0 || !known_in_range(range, data[static_cast<size_t>(j)])) return std::nullopt;
  }
  return affine_indices(indices.constant());
}

Index affine_target(const AffineIndices& tuples, const Index& index, size_t outer) {
  Index to;
  for (size_t j = 0; j < tuples.base.size(); ++j) {
    Expr position = integer(tuples.base[j]);
    for (size_t l = 0; l < outer; ++l) {
      if (tuples.factor[j][l] != 0) position = position + integer(tuples.factor[j][l]) * index[l];
    }
    to.push_back(std::move(position));
  }
  return to;
}

void lower_scatter_nd(LowerContext& context) {
  if (lower_shape_value(context)) return;
  const Shape& data = context.input_shape(0);
  const Value& indices = *context.node().input(1);
  size_t outer = indices.shape().size() - 1;
  auto width = static_cast<size_t>(tuple_width(context.node()));
  check_equal(context, indices.shape().back(), Dim(static_cast<int64_t>(width)), "index tuples");
  Shape updates(indices.shape().begin(), indices.shape().end() - 1);
  updates.insert(updates.end(), data.begin() + static_cast<ptrdiff_t>(width), data.end());
  for (size_t i = 0; i < updates.size(); ++i) {
    check_equal(context, updates[i], context.input_shape(2)[i], "updates");
  }
  check_index_tuples(context, 0);
  copy(context, context.output(), context.input(0), "scatter_copy");
  auto affine = affine_tuples(indices, data);
  auto target = [&](const Index& index) {
    Index tuple(index.begin(), index.begin() + static_cast<ptrdiff_t>(outer));
    Index to = affine ? affine_target(*affine, index, outer) : tuple_positions(context, tuple, 0);
    to.insert(to.end(), index.begin() + static_cast<ptrdiff_t>(outer), index.end());
    return to;
  };
  bool distinct = indices.is_constant() && all_distinct(indices.constant(), data);
  scatter_loops(context, context.input(2), distinct ? outer : 0, target,
                reduction_of(context.node()).combiner);
}

// ---- TensorScatter

size_t cache_axis(const Node& node) {
  int64_t axis = node.attribute<int64_t>("axis", -2);
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(node.input(0)->shape().size()) : axis);
}

bool is_circular(const Node& node) { return node.attribute<std::string>("mode", "linear") == "circular"; }

void infer_tensor_scatter(InferContext& context) {
  int64_t axis = context.normalize_axis(context.node().attribute<int64_t>("axis", -2), context.rank(0));
  if (axis == 0) context.fail("axis: expected another than the batch axis, found 0");
  require_rank(context, 1, context.rank(0));
  for (size_t i = 0; i < context.shape(0).size(); ++i) {
    if (static_cast<int64_t>(i) == axis) continue;
    require_equal_extents(context, context.shape(0)[i], context.shape(1)[i],
                          fmt::format("axis {} of update", i));
  }
  if (context.has_input(2)) {
    require_rank(context, 2, 1);
    require_equal_extents(context, context.shape(0)[0], context.shape(2)[0], "axis 0 of write_indices");
  }
  infer_same_as_input(context);
}

void lower_tensor_scatter(LowerContext& context) {
  size_t axis = cache_axis(context.node());
  bool circular = is_circular(context.node());
  const Shape& cache = context.input_shape(0);
  const Shape& updates = context.input_shape(1);
  Expr extent = dim(cache[axis]);
  for (size_t i = 0; i < cache.size(); ++i) {
    if (i != axis) check_equal(context, updates[i], cache[i], "update");
  }
  check_equal(context, max(updates[axis], cache[axis]), cache[axis], "sequence length of update");
  auto first = [&](const Expr& batch) {
    return context.has_input(2) ? context.at_input(2, {batch}) : integer(0);
  };
  if (context.has_input(2)) {
    Expr end = circular ? extent - integer(1) : dim(cache[axis] - updates[axis]);
    auto number = [&](const Index& index) { return cast(first(index[0]), DType::kInt64); };
    auto holds = [&](const Index& index) { return number(index) >= integer(0) && number(index) <= end; };
    check_all(context, context.input_shape(2),
              {holds, number, "write index", "a place that leaves room for the update"});
  }
  copy(context, context.output(), context.input(0), "scatter_copy");
  auto target = [&](const Index& index) {
    Index to = index;
    Expr position = first(index[0]) + index[axis];
    to[axis] = circular ? binary(ExprOp::kMod, position, extent)
                        : max(integer(0), min(position, extent - integer(1)));
    return to;
  };
  scatter_loops(context, context.input(1), axis, target, std::nullopt);
}

// Scatter has been renamed.
void upgrade_scatter(Graph& graph, Node& node, int) {
  std::vector<Value*> inputs(node.inputs().begin(), node.inputs().end());
  Value* result = insert_op(graph, node, "ScatterElements", inputs, node.attributes());
  graph.replace_all_uses(node.output(), result);
  graph.erase(&node);
}

}  // namespace

std::vector<Expr> tuple_positions(LowerContext& context, const Index& tuple, size_t first) {
  const Value& indices = *context.node().input(1);
  std::vector<Expr> result;
  for (int64_t j = 0; j < tuple_width(context.node()); ++j) {
    Index element = tuple;
    element.push_back(integer(j));
    const Dim& extent = context.input_shape(0)[first + static_cast<size_t>(j)];
    Expr index = context.at_input(1, std::move(element));
    result.push_back(position_of(index, extent, tuple_range(indices, j)));
  }
  return result;
}

void check_index_tuples(LowerContext& context, size_t first) {
  const Value& indices = *context.node().input(1);
  const Shape& data = context.input_shape(0);
  bool known = true;
  for (int64_t j = 0; j < tuple_width(context.node()); ++j) {
    known = known && known_in_range(tuple_range(indices, j), data[first + static_cast<size_t>(j)]);
  }
  if (known) return;
  auto component = [&](const Index& tuple, int64_t j) {
    Index element = tuple;
    element.push_back(integer(j));
    return cast(context.at_input(1, std::move(element)), DType::kInt64);
  };
  auto is_valid = [&](const Expr& value, int64_t j) {
    const Dim& extent = data[first + static_cast<size_t>(j)];
    return value >= dim(-extent) && value < dim(extent);
  };
  auto holds = [&](const Index& tuple) {
    Expr all = boolean(true);
    for (int64_t j = 0; j < tuple_width(context.node()); ++j) all = all && is_valid(component(tuple, j), j);
    return all;
  };
  auto first_fault = [&](const Index& tuple) {
    Expr found = integer(0);
    for (int64_t j = tuple_width(context.node()); j-- > 0;) {
      Expr value = component(tuple, j);
      found = select(is_valid(value, j), found, value);
    }
    return found;
  };
  check_all(context, Shape(indices.shape().begin(), indices.shape().end() - 1),
            {holds, first_fault, "index", "numbers of positions in " + to_string(data)});
}

std::vector<OpDef> scatter_records() {
  return {
      {.name = "ScatterElements", .infer = infer_scatter_elements, .lower = lower_scatter_elements},
      {.name = "ScatterND", .infer = infer_scatter_nd, .lower = lower_scatter_nd},
      {.name = "Scatter",
       .infer = infer_scatter_elements,
       .lower = lower_scatter_elements,
       .upgrades = {{11, upgrade_scatter}}},
      {.name = "TensorScatter", .infer = infer_tensor_scatter, .lower = lower_tensor_scatter},
  };
}

}  // namespace dlc::ir
