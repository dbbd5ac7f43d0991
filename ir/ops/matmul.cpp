// MatMul, Gemm and FusedMatMul as contractions.
#include "ir/ops/einsum.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/product.h"

namespace dlc::ir {
namespace {

// ---- MatMul -----------------------------------------------------------------------------------------------

void infer_matmul(InferContext& context) {
  require_same_types(context, TypeClass::kNumeric);
  Shape shape = infer_product(context, product_of(context.node()));
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

Expr scaled(const Expr& value, double factor) {
  if (factor == 1) return value;
  if (is_float(value.type())) return value * constant(value.type(), factor);
  return cast(cast(value, DType::kDouble) * constant(DType::kDouble, factor), value.type());
}

void lower_matmul(LowerContext& context) {
  ContractionBuilder builder(context, context.input_type(0).dtype);
  ProductIndex at = add_product(context, builder, product_of(context.node()));
  double alpha = context.node().attribute<double>("alpha", 1.0);
  builder.finish(context.output(), at.out, scaled(builder.sum(), alpha));
}

// ---- Gemm -------------------------------------------------------------------------------------------------

void infer_gemm(InferContext& context) {
  require_same_types(context, TypeClass::kNumeric);
  require_rank(context, 0, 2);
  require_rank(context, 1, 2);
  Shape shape = infer_product(context, product_of(context.node()));
  if (context.has_input(2)) require_broadcasts_to(context, context.shape(2), shape, "input 2 (C)");
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void lower_gemm(LowerContext& context) {
  const Shape& shape = context.output_shape();
  ContractionBuilder builder(context, context.input_type(0).dtype);
  Index out = add_product(context, builder, product_of(context.node())).out;
  Expr result = scaled(builder.sum(), context.node().attribute<double>("alpha", 1.0));
  double beta = context.node().attribute<double>("beta", 1.0);
  if (context.has_input(2) && beta != 0) {
    check_broadcast(context, context.input_shape(2), shape, "input 2 (C)");
    Expr c = context.at_broadcast(context.input(2), out, shape);
    result = result + scaled(cast(c, result.type()), beta);
  }
  builder.finish(context.output(), out, result);
}

}  // namespace

void register_matmul(OpRegistry& registry) {
  registry.add({.name = "MatMul", .infer = infer_matmul, .lower = lower_matmul});
  registry.add({.name = "Gemm", .infer = infer_gemm, .lower = lower_gemm});
  registry.add(
      {.domain = "com.microsoft", .name = "FusedMatMul", .infer = infer_matmul, .lower = lower_matmul});
  register_einsum(registry);
}

}  // namespace dlc::ir
