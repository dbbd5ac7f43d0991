// dlc.BlockProduct: the product with weights that are quantised in blocks along its depth.
//
//   y[..., n] = sum over the blocks g of a_scale[..., g] * b_scale[g, n] *
//               (sum over the block's elements i of a[..., g, i] * (b[n, g, i] - zero) - b_offset[g, n] *
//               a_sum[..., g])
//
// Inputs: a (float, or int8 with a_scale and a_sum), b (uint4 or uint8), b_scale, a_scale?, a_sum?,
// b_offset?. Without a_scale it is 1, without b_offset 0. Attribute: zero.
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

enum Input : size_t { kA, kB, kBScale, kAScale, kASum, kBOffset };

void infer_block_product(InferContext& context) {
  require_rank_at_least(context, kA, 2);
  require_rank(context, kB, 3);
  const Shape &a = context.shape(kA), &b = context.shape(kB);
  const size_t blocks = a.size() - 2;
  require_equal_extents(context, a[blocks], b[1], "number of blocks");
  require_equal_extents(context, a[blocks + 1], b[2], "size of a block");
  for (size_t i : {kBScale, kBOffset}) {
    if (!context.has_input(i)) continue;
    require_rank(context, i, 2);
    require_equal_extents(context, context.shape(i)[0], b[1], "blocks of a table");
    require_equal_extents(context, context.shape(i)[1], b[0], "columns of a table");
  }
  for (size_t i : {kAScale, kASum}) {
    if (context.has_input(i)) require_rank(context, i, context.rank(kA) - 1);
  }
  Shape shape(a.begin(), a.end() - 2);
  shape.push_back(b[0]);
  context.set_output(0, Type(context.dtype(kBScale), std::move(shape)));
}

void lower_block_product(LowerContext& context) {
  const bool bytes = context.input_type(kA).dtype == DType::kInt8;
  const Shape &a = context.input_shape(kA), &b = context.input_shape(kB);
  Contraction c;
  Index rows;
  auto axis = [&](const Dim& extent, AxisRole role) {
    c.axes.push_back({.var = context.fresh_var(), .extent = extent, .role = role});
    return var(c.axes.back().var);
  };
  for (size_t i = 0; i + 2 < a.size(); ++i) rows.push_back(axis(a[i], AxisRole::kM));
  const Expr n = axis(b[0], AxisRole::kN), g = axis(b[1], AxisRole::kK), i = axis(b[2], AxisRole::kK);
  auto with = [](Index index, std::initializer_list<Expr> more) {
    index.insert(index.end(), more);
    return index;
  };
  c.a = {.buffer = context.input(kA), .index = with(rows, {g, i})};
  c.b = {.buffer = context.input(kB), .index = {n, g, i}};
  const auto zero = context.node().attribute<int64_t>("zero");
  if (!bytes && zero != 0) c.b.zero_point = integer(zero, DType::kInt32);
  c.parts = {.axis = g->var, .sum = context.fresh_var(), .type = bytes ? DType::kInt32 : DType::kFloat};
  Expr sum = var(c.parts.sum, c.parts.type);
  if (bytes && zero != 0) sum = sum - integer(zero, DType::kInt32) * context.at_input(kASum, with(rows, {g}));
  sum = cast(sum, DType::kFloat);
  if (context.has_input(kBOffset)) {
    const Expr of_a = cast(context.at_input(kASum, with(rows, {g})), DType::kFloat);
    sum = sum - widen(context.at_input(kBOffset, {g, n})) * of_a;
  }
  if (context.has_input(kAScale)) sum = sum * widen(context.at_input(kAScale, with(rows, {g})));
  c.parts.term = sum * widen(context.at_input(kBScale, {g, n}));
  c.accumulator = context.fresh_var();
  c.accumulator_type = DType::kFloat;
  c.out = context.output();
  c.out_index = with(rows, {n});
  c.epilogue = cast(var(c.accumulator, DType::kFloat), context.output_type().dtype);
  context.contraction(std::move(c), "block_product");
}

}  // namespace

void register_block_product(OpRegistry& registry) {
  registry.add(
      {.domain = "dlc", .name = "BlockProduct", .infer = infer_block_product, .lower = lower_block_product});
}

}  // namespace dlc::ir
