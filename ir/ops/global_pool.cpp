#include "ir/ops/global_pool.h"

#include "ir/ops/infer_util.h"
#include "ir/ops/window.h"

namespace dlc::ir {
namespace {

void infer_global_pool(InferContext& context) {
  require_type(context, 0, TypeClass::kFloat);
  require_rank_at_least(context, 0, 2);
  Shape shape(context.shape(0).size(), Dim(1));
  shape[0] = context.shape(0)[0];
  shape[1] = context.shape(0)[1];
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void lower_global(LowerContext& context, Combiner combiner, const std::function<Expr(const Expr&)>& element,
                  const std::function<Expr(const Expr&)>& finish) {
  DType type = compute_type(context.input_type(0).dtype);
  auto value = [&](const Index& outer, const Index& inner) {
    Index index = {outer[0], outer[1]};
    index.insert(index.end(), inner.begin(), inner.end());
    return element(widen(context.at_input(0, index)));
  };
  auto result = [&](const Expr& total) { return cast(finish(total), context.output_type().dtype); };
  Shape spatial = spatial_axes(context.input_shape(0));
  context.reduce(context.output(), spatial, combiner, neutral(combiner, type), value, result);
}

Expr itself(const Expr& x) { return x; }

void lower_global_max(LowerContext& context) { lower_global(context, Combiner::kMax, itself, itself); }

void lower_global_average(LowerContext& context) {
  Dim count = product(spatial_axes(context.input_shape(0)));
  lower_global(context, Combiner::kSum, itself,
               [&](const Expr& sum) { return sum / extent_as(count, sum.type()); });
}

void lower_global_lp(LowerContext& context) {
  int64_t p = context.node().attribute<int64_t>("p", 2);
  lower_global(
      context, Combiner::kSum, [&](const Expr& x) { return norm_term(x, p); },
      [&](const Expr& sum) { return norm_root(sum, p); });
}

}  // namespace

Expr norm_term(const Expr& x, int64_t p) {
  if (p == 2) return x * x;
  Expr magnitude = unary(ExprOp::kAbs, x);
  if (p == 1) return magnitude;
  return binary(ExprOp::kPow, magnitude, constant(x.type(), static_cast<double>(p)));
}

Expr norm_root(const Expr& sum, int64_t p) {
  if (p == 1) return sum;
  if (p == 2) return unary(ExprOp::kSqrt, sum);
  return binary(ExprOp::kPow, sum, constant(sum.type(), 1.0 / static_cast<double>(p)));
}

void register_global_pool(OpRegistry& registry) {
  registry.add({.name = "GlobalMaxPool", .infer = infer_global_pool, .lower = lower_global_max});
  registry.add({.name = "GlobalAveragePool", .infer = infer_global_pool, .lower = lower_global_average});
  registry.add({.name = "GlobalLpPool", .infer = infer_global_pool, .lower = lower_global_lp});
}

}  // namespace dlc::ir
