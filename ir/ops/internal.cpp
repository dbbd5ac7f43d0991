// Operators of the "dlc" domain, which passes introduce.
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

// Dims: no inputs. `dims` holds the text of symbolic integers; the output holds their values, int64, rank 1,
// or rank 0 with `scalar` = 1.
bool is_scalar(const Node& node) { return node.attribute<int64_t>("scalar", 0) != 0; }

void infer_dims(InferContext& context) {
  Shape dims = dims_attribute(context.node());
  bool scalar = is_scalar(context.node());
  if (scalar && dims.size() != 1) context.fail("dims: expected one of a scalar, found {}", dims.size());
  Shape shape = scalar ? Shape{} : Shape{static_cast<int64_t>(dims.size())};
  context.set_output(0, Type(DType::kInt64, std::move(shape)));
  context.set_shape_value(0, std::move(dims));
}

void lower_dims(LowerContext& context) {
  Shape dims = dims_attribute(context.node());
  bool scalar = is_scalar(context.node());
  Block body;
  for (size_t i = 0; i < dims.size(); ++i) {
    Index index;
    if (!scalar) index.push_back(integer(static_cast<int64_t>(i)));
    body.push_back(store(context.output(), std::move(index), dim(dims[i])));
  }
  context.loop_nest(std::move(body), "dims");
}

// SumTo: the sum of the input over the axes along which a tensor of the shape `dims` is repeated to give the
// input's shape. Which ones these are may be known only during the run; elsewhere it is a ReduceSum.
void infer_sum_to(InferContext& context) {
  Shape shape = dims_attribute(context.node());
  if (context.rank(0) < static_cast<int64_t>(shape.size())) {
    context.fail("dims: expected at most {} axes, found {}", context.rank(0), shape.size());
  }
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// The coordinates of the input that are summed to one of the output, along an axis of extents `from` and
// `to`: all of them where `to` is 1, else the same.
struct SummedRange {
  Expr begin;
  Expr end;
};
SummedRange summed_range(const Expr& coordinate, const Dim& from, const Dim& to) {
  if (from == to) return {coordinate, coordinate + integer(1)};
  Dim repeats = Dim(2) - min(to, Dim(2));  // 1 where `to` is 1, 0 where it is more
  return {coordinate, coordinate + integer(1) + dim((from - Dim(1)) * repeats)};
}

void lower_sum_to(LowerContext& context) {
  const Shape& from = context.input_shape(0);
  const Shape& to = context.output_shape();
  DType type = compute_type(context.output_type().dtype);
  std::vector<VarId> outer = loop_vars(context, to);
  Index index = index_of(outer);
  std::vector<VarId> inner;
  Index source;
  for (size_t i = 0; i < from.size(); ++i) {
    inner.push_back(context.fresh_var());
    source.push_back(var(inner.back()));
  }
  VarId total = context.fresh_var();
  Block block = {reduce_into(total, Combiner::kSum, widen(context.at_input(0, source)))};
  size_t extra = from.size() - to.size();
  for (size_t i = from.size(); i-- > 0;) {
    SummedRange range = {integer(0), dim(from[i])};
    if (i >= extra) range = summed_range(index[i - extra], from[i], to[i - extra]);
    Stmt loop = for_range(inner[i], range.begin, range.end, std::move(block));
    block = {std::move(loop)};
  }
  block.insert(block.begin(), let(total, constant(type, 0)));
  block.push_back(store(context.output(), index, cast(var(total, type), context.output_type().dtype)));
  context.loop_nest(nest(outer, to, to.size(), std::move(block)), "sum_to");
}

// Late: its input. What is computed of it is computed again, where equal nodes would else be merged: each has
// a number of its own.
void lower_late(LowerContext& context) { context.alias_output(0, context.input(0)); }

}  // namespace

void register_internal(OpRegistry& registry) {
  registry.add({.domain = "dlc", .name = "SumTo", .infer = infer_sum_to, .lower = lower_sum_to});
  registry.add({.domain = "dlc", .name = "Late", .infer = infer_same_as_input, .lower = lower_late});
  registry.add({.domain = "dlc", .name = "Dims", .infer = infer_dims, .lower = lower_dims});
}

}  // namespace dlc::ir
