// Reductions over axes.
#include <algorithm>
#include <cmath>

#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_axes.h"
#include "ir/ops/scan_axis.h"

namespace dlc::ir {
namespace {

// ---- Inference --------------------------------------------------------------------------------------------

// In increasing order; nothing where only the run knows them.
std::optional<std::vector<int64_t>> find_axes(const InferContext& context) {
  std::optional<std::vector<int64_t>> axes = known_axes(context.node(), 1);
  if (!axes) return std::nullopt;
  int64_t rank = context.rank(0);
  if (!axes->empty()) {
    axes = normalize_axes(context, *axes, rank);
    std::sort(axes->begin(), axes->end());
    return axes;
  }
  bool noop = context.node().attribute<int64_t>("noop_with_empty_axes", 0) != 0;
  return noop ? std::vector<int64_t>{} : all_axes(rank);
}

std::vector<int64_t> reduction_axes(const InferContext& context) {
  std::optional<std::vector<int64_t>> axes = find_axes(context);
  check(axes.has_value(), "a reduction over axes of the run is expanded");
  return *axes;
}

bool keeps_axes(const Node& node) { return node.attribute<int64_t>("keepdims", 1) != 0; }

// Where only the run knows which axes are reduced.
Shape unknown_shape(const InferContext& context) {
  const Shape& shape = context.shape(0);
  int64_t count = count_axes(context, 1);
  if (count > context.rank(0)) context.fail("axes: expected {} at most, found {}", shape.size(), count);
  size_t rank = shape.size() - (keeps_axes(context.node()) ? 0 : static_cast<size_t>(count));
  Dim most = 1;
  for (const Dim& extent : shape) most = max(most, extent);
  Shape result;
  for (size_t i = 0; i < rank; ++i) {
    result.push_back(context.fresh_symbol("reduced", {rank == shape.size() ? max(Dim(1), shape[i]) : most}));
  }
  return result;
}

template <TypeClass kSet>
void infer_reduce(InferContext& context) {
  require_type(context, 0, kSet);
  std::optional<std::vector<int64_t>> axes = find_axes(context);
  Shape shape =
      axes ? reduced_shape(context.shape(0), *axes, keeps_axes(context.node())) : unknown_shape(context);
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// Each axis as one of the extent that is kept and one of the extent that is reduced, one of which is 1.
bool expand_reduce(Builder& builder, Node& node) {
  if (find_axes(InferContext(node))) return false;
  Value* x = node.input(0);
  auto rank = static_cast<int64_t>(x->shape().size());
  Value* extents = builder.dims(x->shape());
  Value* mask = mask_of_axes(builder, node.input(1), rank);
  Value* one = builder.ints({1});
  Value* kept = choose_by_mask(builder, mask, one, extents);
  Value* reduced = choose_by_mask(builder, mask, extents, one);
  Value* columns = builder.ints({1});
  Value* pairs = builder.op(
      "Concat", {builder.op("Unsqueeze", {kept, columns}), builder.op("Unsqueeze", {reduced, columns})},
      {{"axis", int64_t{1}}});
  Value* split =
      builder.op("Reshape", {x, builder.reshape(pairs, {Dim(2 * rank)})}, {{"allowzero", int64_t{1}}});
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < rank; ++i) axes.push_back(2 * i + 1);
  Value* result = builder.reduce(node.op().name, split, std::move(axes), false);
  if (!keeps_axes(node)) {
    Value* target = unmasked(builder, extents, mask, rank - node.input(1)->shape()[0].value());
    result = builder.op("Reshape", {result, target}, {{"allowzero", int64_t{1}}});
  }
  builder.replace(node, 0, result);
  return true;
}

// A reduction of a computed shape to one number, e.g. its product.
template <TypeClass kSet, Dim (*kCombine)(const Dim&, const Dim&)>
void infer_reduce_value(InferContext& context) {
  infer_reduce<kSet>(context);
  auto value = context.shape_value(0);
  auto axes = find_axes(context);
  if (!value || value->empty() || context.rank(0) != 1 || !axes || axes->empty()) return;
  Dim result = value->front();
  for (size_t i = 1; i < value->size(); ++i) result = kCombine(result, (*value)[i]);
  context.set_shape_value(0, {result});
}

Dim sum_of(const Dim& a, const Dim& b) { return a + b; }
Dim product_of(const Dim& a, const Dim& b) { return a * b; }
Dim least_of(const Dim& a, const Dim& b) { return min(a, b); }
Dim greatest_of(const Dim& a, const Dim& b) { return max(a, b); }

// ---- Lowering ---------------------------------------------------------------------------------------------

// The input index at an index of the output and one of the reduced axes.
Index joined_index(const LowerContext& context, const std::vector<int64_t>& axes, const Index& outer,
                   const Index& inner) {
  Index result;
  bool keeps = keeps_axes(context.node());
  size_t next_outer = 0;
  size_t next_inner = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(context.input_shape(0).size()); ++i) {
    bool reduced = contains(axes, i);
    result.push_back(reduced ? inner[next_inner++] : outer[next_outer]);
    if (!reduced || keeps) ++next_outer;
  }
  return result;
}

Shape shape_of_axes(const Shape& shape, const std::vector<int64_t>& axes) {
  Shape result;
  for (int64_t axis : axes) result.push_back(shape[static_cast<size_t>(axis)]);
  return result;
}

using ElementStep = Expr (*)(const Expr& x);
using FinishStep = Expr (*)(const Expr& result, const Dim& count);

Expr itself(const Expr& x) { return x; }
Expr magnitude(const Expr& x) { return is_signed(x.type()) ? unary(ExprOp::kAbs, x) : x; }
Expr square(const Expr& x) { return x * x; }
Expr unfinished(const Expr& result, const Dim&) { return result; }
Expr root(const Expr& result, const Dim&) { return unary(ExprOp::kSqrt, result); }
Expr logarithm(const Expr& result, const Dim&) { return unary(ExprOp::kLog, result); }
Expr quotient(const Expr& result, const Dim& count) {
  Expr divisor = extent_as(count, result.type());
  return is_float(result.type()) ? result / divisor : safe_divide(result, divisor);
}

// The type of the computation: roots and logarithms of integers are taken in double and truncated.
DType reduction_type(DType type, FinishStep finish) {
  bool needs_float = finish == root || finish == logarithm;
  return needs_float && !is_float(type) ? DType::kDouble : compute_type(type);
}

template <Combiner kCombiner, ElementStep kElement, FinishStep kFinish>
void lower_reduce(LowerContext& context) {
  std::vector<int64_t> axes = reduction_axes(facts(context));
  Shape reduced = shape_of_axes(context.input_shape(0), axes);
  DType out_type = context.output_type().dtype;
  DType type = reduction_type(context.input_type(0).dtype, kFinish);
  auto value = [&](const Index& outer, const Index& inner) {
    return kElement(cast(context.at_input(0, joined_index(context, axes, outer, inner)), type));
  };
  auto finish = [&](const Expr& result) { return cast(kFinish(result, product(reduced)), out_type); };
  context.reduce(context.output(), reduced, kCombiner, neutral(kCombiner, type), value, finish);
}

template <Combiner kOrdered, Combiner kLogical>
void lower_extremum(LowerContext& context) {
  if (context.input_type(0).dtype == DType::kBool) {
    lower_reduce<kLogical, itself, unfinished>(context);
  } else {
    lower_reduce<kOrdered, itself, unfinished>(context);
  }
}

// log(sum(exp(x))) as log(sum(exp(x - m))) + m, with m the maximum, or 0 where that is infinite.
void lower_log_sum_exp(LowerContext& context) {
  std::vector<int64_t> axes = reduction_axes(facts(context));
  Shape reduced = shape_of_axes(context.input_shape(0), axes);
  DType out_type = context.output_type().dtype;
  DType type = reduction_type(context.input_type(0).dtype, logarithm);
  const Shape& shape = context.output_shape();
  std::vector<VarId> outer = loop_vars(context, shape);
  auto element = [&](const std::vector<VarId>& inner) {
    return cast(context.at_input(0, joined_index(context, axes, index_of(outer), index_of(inner))), type);
  };
  VarId maximum = context.fresh_var();
  VarId shift = context.fresh_var();
  VarId sum = context.fresh_var();
  std::vector<VarId> first = loop_vars(context, reduced);
  std::vector<VarId> second = loop_vars(context, reduced);
  Expr shift_value = var(shift, type);
  Expr zero = constant(type, 0);

  Block body;
  body.push_back(let(maximum, neutral(Combiner::kMax, type)));
  append(body, serial_nest(first, reduced, {reduce_into(maximum, Combiner::kMax, element(first))}));
  Expr m = var(maximum, type);
  Expr infinite = equal(unary(ExprOp::kAbs, m), constant(type, INFINITY));
  body.push_back(let(shift, select(infinite, zero, m)));
  body.push_back(let(sum, zero));
  Expr term = unary(ExprOp::kExp, element(second) - shift_value);
  append(body, serial_nest(second, reduced, {reduce_into(sum, Combiner::kSum, term)}));
  Expr result = unary(ExprOp::kLog, var(sum, type)) + shift_value;
  body.push_back(store(context.output(), index_of(outer), cast(result, out_type)));
  context.loop_nest(nest(outer, shape, shape.size(), std::move(body)), "ReduceLogSumExp");
}

void axes_to_input(Graph& graph, Node& node, int) { ints_attribute_to_input(graph, node, "axes", 1); }

}  // namespace

void register_reduce(OpRegistry& registry) {
  struct Row {
    const char* name;
    void (*infer)(InferContext&);
    void (*lower)(LowerContext&);
    int axes_become_input = 18;
  };
  constexpr TypeClass kNumeric = TypeClass::kNumeric;
  constexpr TypeClass kScalar = TypeClass::kScalar;
  const Row rows[] = {
      {"ReduceSum", infer_reduce_value<kNumeric, sum_of>, lower_reduce<Combiner::kSum, itself, unfinished>,
       13},
      {"ReduceMean", infer_reduce<kNumeric>, lower_reduce<Combiner::kSum, itself, quotient>},
      {"ReduceProd", infer_reduce_value<kNumeric, product_of>,
       lower_reduce<Combiner::kProd, itself, unfinished>},
      {"ReduceMax", infer_reduce_value<kScalar, greatest_of>, lower_extremum<Combiner::kMax, Combiner::kOr>},
      {"ReduceMin", infer_reduce_value<kScalar, least_of>, lower_extremum<Combiner::kMin, Combiner::kAnd>},
      {"ReduceL1", infer_reduce<kNumeric>, lower_reduce<Combiner::kSum, magnitude, unfinished>},
      {"ReduceL2", infer_reduce<kNumeric>, lower_reduce<Combiner::kSum, square, root>},
      {"ReduceSumSquare", infer_reduce<kNumeric>, lower_reduce<Combiner::kSum, square, unfinished>},
      {"ReduceLogSum", infer_reduce<kNumeric>, lower_reduce<Combiner::kSum, itself, logarithm>},
      {"ReduceLogSumExp", infer_reduce<kNumeric>, lower_log_sum_exp},
  };
  for (const Row& row : rows) {
    registry.add({.name = row.name,
                  .infer = row.infer,
                  .expand = expand_reduce,
                  .lower = row.lower,
                  .upgrades = {{row.axes_become_input, axes_to_input}}});
  }
  register_scan_axis(registry);
}

}  // namespace dlc::ir
