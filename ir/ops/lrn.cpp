// LRN: local response normalisation across channels.
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/normalization.h"

namespace dlc::ir {
namespace {

void infer_lrn(InferContext& context) {
  int64_t size = context.node().attribute<int64_t>("size");
  if (size < 1) context.fail("attribute 'size': expected a positive number, found {}", size);
  require_rank_at_least(context, 0, 2);
  infer_same<TypeClass::kFloat>(context);
}

// x / (bias + alpha / size * sum of squares over the window of channels) ^ beta
void lower_lrn(LowerContext& context) {
  const Node& node = context.node();
  int64_t size = node.attribute<int64_t>("size");
  const Shape& shape = context.output_shape();
  DType type = compute_type(context.output_type().dtype);
  auto number = [&](double value) { return constant(type, value); };
  std::vector<VarId> vars = loop_vars(context, shape);
  Index index = index_of(vars);
  VarId channel = context.fresh_var();
  Index window_index = index;
  window_index[1] = var(channel);
  Expr neighbour = widen(context.at_input(0, window_index));
  Expr begin = max(index[1] - integer((size - 1) / 2), integer(0));
  Expr end = min(index[1] + integer(size / 2 + 1), dim(shape[1]));
  VarId sum = context.fresh_var();

  Block body;
  body.push_back(let(sum, number(0)));
  body.push_back(for_range(channel, begin, end, {reduce_into(sum, Combiner::kSum, neighbour * neighbour)}));
  Expr scale = number(node.attribute<double>("alpha", 1e-4F) / static_cast<double>(size));
  Expr base = number(node.attribute<double>("bias", 1.0F)) + scale * var(sum, type);
  Expr power = binary(ExprOp::kPow, base, number(-node.attribute<double>("beta", 0.75F)));
  Expr result = widen(context.at_input(0, index)) * power;
  body.push_back(store(context.output(), index, cast(result, context.output_type().dtype)));
  context.loop_nest(nest(vars, shape, shape.size(), std::move(body)));
}

}  // namespace

void register_lrn(OpRegistry& registry) {
  registry.add({.name = "LRN", .infer = infer_lrn, .lower = lower_lrn});
}

}  // namespace dlc::ir
