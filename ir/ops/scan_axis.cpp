#include "ir/ops/scan_axis.h"

#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_axes.h"

namespace dlc::ir {
namespace {

// ---- ArgMax, ArgMin ---------------------------------------------------------------------------------------

int64_t arg_axis(const InferContext& context) {
  return context.normalize_axis(context.node().attribute<int64_t>("axis", 0), context.rank(0));
}

void infer_arg(InferContext& context) {
  require_type(context, 0, TypeClass::kNumeric);
  require_rank_at_least(context, 0, 1);
  bool keeps = context.node().attribute<int64_t>("keepdims", 1) != 0;
  context.set_output(0, Type(DType::kInt64, reduced_shape(context.shape(0), {arg_axis(context)}, keeps)));
}

// The extremum first, then the first or last position that equals it; a NaN counts as the extremum.
template <Combiner kCombiner>
void lower_arg(LowerContext& context) {
  auto axis = static_cast<size_t>(arg_axis(facts(context)));
  bool last = context.node().attribute<int64_t>("select_last_index", 0) != 0;
  const Shape& shape = context.input_shape(0);
  DType type = compute_type(context.input_type(0).dtype);
  std::vector<VarId> vars = loop_vars(context, shape);
  auto element = [&](VarId position) { return widen(context.at_input(0, along(vars, axis, var(position)))); };
  VarId extremum = context.fresh_var();
  VarId found = context.fresh_var();
  VarId first_pass = context.fresh_var();
  VarId second_pass = context.fresh_var();

  Block body;
  body.push_back(let(extremum, neutral(kCombiner, type)));
  body.push_back(for_range(first_pass, integer(0), dim(shape[axis]),
                           {reduce_into(extremum, kCombiner, element(first_pass))}));
  Expr x = element(second_pass);
  Expr match = equal(x, var(extremum, type));
  if (is_float(type)) match = match || unary(ExprOp::kIsNan, x);
  Expr none = last ? integer(-1) : dim(shape[axis]);
  Combiner choose = last ? Combiner::kMax : Combiner::kMin;
  body.push_back(let(found, none));
  body.push_back(for_range(second_pass, integer(0), dim(shape[axis]),
                           {reduce_into(found, choose, select(match, var(second_pass), none))}));
  OtherAxes outer = without(shape, vars, axis);
  bool keeps = context.node().attribute<int64_t>("keepdims", 1) != 0;
  Index out_index = keeps ? along(vars, axis, integer(0)) : index_of(outer.vars);
  body.push_back(store(context.output(), out_index, var(found)));
  context.loop_nest(nest(outer.vars, outer.shape, outer.shape.size(), std::move(body)),
                    context.node().op().name);
}

// ---- CumSum, CumProd --------------------------------------------------------------------------------------

int64_t cumulative_axis(const InferContext& context) {
  return context.normalize_axis(context.ints(1, "axis")[0], context.rank(0));
}

void infer_cumulative(InferContext& context) {
  require_type(context, 0, TypeClass::kNumeric);
  require_rank_at_least(context, 0, 1);
  require_equal_extents(context, product(context.shape(1)), 1, "number of axes");
  if (known_axes(context.node(), 1)) cumulative_axis(context);
  infer_same_as_input(context);
}

// Along an axis that only the run knows: the axes before and after it become one each.
bool expand_cumulative(Builder& builder, Node& node) {
  if (known_axes(node, 1)) return false;
  Value* x = node.input(0);
  auto rank = static_cast<int64_t>(x->shape().size());
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < rank; ++i) numbers.push_back(i);
  Value* extents = builder.dims(x->shape());
  Value* one = builder.ints({1});
  Value* given = builder.reshape(builder.cast(node.input(1), DType::kInt64), {1});
  // Gather takes negative axes and checks them.
  Value* axis = builder.op("Gather", {builder.ints(numbers), given}, {{"axis", int64_t{0}}});
  Value* positions = builder.ints(std::move(numbers));
  auto extent_where = [&](const char* relation) {
    Value* picked = builder.op("Where", {builder.op(relation, {positions, axis}), extents, one});
    return builder.reduce("ReduceProd", picked, {0}, true);
  };
  Value* target = builder.op("Concat", {extent_where("Less"), extent_where("Equal"), extent_where("Greater")},
                             {{"axis", int64_t{0}}});
  Value* middle = builder.op("Reshape", {x, target}, {{"allowzero", int64_t{1}}});
  Value* result = builder.op(node.op().name, {middle, builder.scalar(DType::kInt64, 1)}, node.attributes());
  builder.replace(node, 0, builder.reshape(result, x->shape()));
  return true;
}

template <Combiner kCombiner>
void lower_cumulative(LowerContext& context) {
  auto axis = static_cast<size_t>(cumulative_axis(facts(context)));
  bool exclusive = context.node().attribute<int64_t>("exclusive", 0) != 0;
  bool reverse = context.node().attribute<int64_t>("reverse", 0) != 0;
  const Shape& shape = context.output_shape();
  DType type = compute_type(context.output_type().dtype);
  std::vector<VarId> vars = loop_vars(context, shape);
  VarId total = context.fresh_var();
  VarId step = context.fresh_var();
  Expr position = reverse ? dim(shape[axis] - Dim(1)) - var(step) : var(step);
  Index index = along(vars, axis, position);
  Stmt accumulate = reduce_into(total, kCombiner, widen(context.at_input(0, index)));
  Stmt write = store(context.output(), index, cast(var(total, type), context.output_type().dtype));
  Block visit = exclusive ? Block{write, accumulate} : Block{accumulate, write};

  Block body;
  body.push_back(let(total, neutral(kCombiner, type)));
  body.push_back(for_range(step, integer(0), dim(shape[axis]), std::move(visit)));
  OtherAxes outer = without(shape, vars, axis);
  context.loop_nest(nest(outer.vars, outer.shape, outer.shape.size(), std::move(body)),
                    context.node().op().name);
}

}  // namespace

void register_scan_axis(OpRegistry& registry) {
  registry.add({.name = "ArgMax", .infer = infer_arg, .lower = lower_arg<Combiner::kMax>});
  registry.add({.name = "ArgMin", .infer = infer_arg, .lower = lower_arg<Combiner::kMin>});
  registry.add({.name = "CumSum",
                .infer = infer_cumulative,
                .expand = expand_cumulative,
                .lower = lower_cumulative<Combiner::kSum>});
  registry.add({.name = "CumProd",
                .infer = infer_cumulative,
                .expand = expand_cumulative,
                .lower = lower_cumulative<Combiner::kProd>});
}

}  // namespace dlc::ir
