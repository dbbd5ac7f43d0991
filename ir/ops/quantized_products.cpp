// Products and convolutions of integers: MatMulInteger, QLinearMatMul, ConvInteger, QLinearConv.
#include "ir/ops/convolution.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/product.h"
#include "ir/ops/quantization.h"
#include "ir/ops/quantize.h"

namespace dlc::ir {
namespace {

// ---- Products ---------------------------------------------------------------------------------------------

// A scale or zero point of a factor is one element, one a row (column) as a vector, or broadcasts to the
// product with one element a row (column).
enum class Side : uint8_t { kRows, kColumns };

void check_parameter(const InferContext& context, size_t input, const Product& product, const Shape& result,
                     Side side) {
  if (!context.has_input(input) || is_single(context.shape(input))) return;
  const Shape& shape = context.shape(input);
  bool rows = side == Side::kRows;
  if (rows ? product.a_vector() : product.b_vector()) return require_single(context, input);
  size_t own = result.size() - (rows && !product.b_vector() ? 2 : 1);
  if (shape.size() == 1) {
    return require_equal_extents(context, shape[0], result[own],
                                 rows ? "one element a row" : "one element a column");
  }
  require_broadcasts_to(context, shape, result, rows ? "a parameter of rows" : "a parameter of columns");
}

Expr parameter_at(LowerContext& context, size_t input, const ProductIndex& at, Side side) {
  if (!context.has_input(input)) return {};
  const Shape& shape = context.input_shape(input);
  if (is_single(shape)) return single_element(context, input);
  const Expr& own = side == Side::kRows ? at.m : at.n;
  if (!own) return single_element(context, input);
  const Shape& result = context.output_shape();
  if (shape.size() > 1) {
    for (size_t i = 0; i < shape.size(); ++i)
      check_one_or(context, shape[i], result[result.size() - shape.size() + i], "scales and zero points");
    return context.at(context.input(input), broadcast_index(at.out, result, shape));
  }
  // A vector counts along the rows or columns.
  size_t axis = at.out.size() - (side == Side::kRows && at.n ? 2 : 1);
  return element_along(context, input, result[axis], own);
}

void infer_matmul_integer(InferContext& context) {
  require_bytes(context, 0);
  require_bytes(context, 1);
  require_type_of(context, 2, 0);
  require_type_of(context, 3, 1);
  Product product = product_of(context.node());
  Shape shape = infer_product(context, product);
  check_parameter(context, 2, product, shape, Side::kRows);
  check_parameter(context, 3, product, shape, Side::kColumns);
  context.set_output(0, Type(DType::kInt32, std::move(shape)));
}

void lower_matmul_integer(LowerContext& context) {
  ContractionBuilder builder(context, context.input_type(0).dtype);
  ProductIndex at = add_product(context, builder, product_of(context.node()));
  builder.a_zero_point(parameter_at(context, 2, at, Side::kRows));
  builder.b_zero_point(parameter_at(context, 3, at, Side::kColumns));
  builder.finish(context.output(), at.out, builder.sum());
}

void infer_qlinear_matmul(InferContext& context) {
  for (size_t input : {0, 3, 7}) {
    if (!is_quantized(context.dtype(input)))
      context.fail("input {}: {} is no type of quantized elements", input, name(context.dtype(input)));
  }
  for (size_t input : {1, 4, 6}) require_type(context, input, TypeClass::kFloat);
  require_type_of(context, 2, 0);
  require_type_of(context, 5, 3);
  Product product = product_of(context.node(), 0, 3);
  Shape shape = infer_product(context, product);
  for (size_t input : {1, 2}) check_parameter(context, input, product, shape, Side::kRows);
  for (size_t input : {4, 5}) check_parameter(context, input, product, shape, Side::kColumns);
  for (size_t input : {6, 7}) check_parameter(context, input, product, shape, Side::kRows);
  context.set_output(0, Type(context.dtype(7), std::move(shape)));
}

void lower_qlinear_matmul(LowerContext& context) {
  ContractionBuilder builder(context, context.input_type(0).dtype);
  ProductIndex at = add_product(context, builder, product_of(context.node(), 0, 3));
  // Floats of 8 bits have no zero point other than 0.
  if (is_integer(context.input_type(0).dtype))
    builder.a_zero_point(parameter_at(context, 2, at, Side::kRows));
  if (is_integer(context.input_type(3).dtype))
    builder.b_zero_point(parameter_at(context, 5, at, Side::kColumns));
  Expr scale = widen(parameter_at(context, 1, at, Side::kRows)) *
               widen(parameter_at(context, 4, at, Side::kColumns)) /
               widen(parameter_at(context, 6, at, Side::kRows));
  Expr result = cast(builder.sum(), scale.type()) * scale;
  Expr zero_point = parameter_at(context, 7, at, Side::kRows);
  builder.finish(context.output(), at.out, quantized(result, zero_point, context.output_type().dtype));
}

// ---- Convolutions -----------------------------------------------------------------------------------------

// One element, or one an output channel.
void check_channel_parameter(const InferContext& context, size_t input, const ConvInputs& inputs) {
  if (!context.has_input(input) || is_single(context.shape(input))) return;
  require_channels(context, input, inputs, "one element an output channel");
}

std::function<Expr(const Expr&)> channel_parameter(LowerContext& context, size_t input) {
  return [&context, input](const Expr& channel) {
    if (!context.has_input(input)) return Expr();
    if (is_single(context.input_shape(input))) return single_element(context, input);
    return element_along(context, input, context.output_shape()[1], channel);
  };
}

void infer_conv_integer(InferContext& context) {
  require_bytes(context, 0);
  require_bytes(context, 1);
  require_type_of(context, 2, 0);
  require_type_of(context, 3, 1);
  require_single(context, 2);
  Shape shape = infer_convolution(context, {});
  check_channel_parameter(context, 3, {});
  context.set_output(0, Type(DType::kInt32, std::move(shape)));
}

void lower_conv_integer(LowerContext& context) {
  lower_convolution(context, {.x_zero_point = single_element(context, 2),
                              .w_zero_point = channel_parameter(context, 3),
                              .result = [](const Expr& sum, const Expr&) { return sum; }});
}

constexpr ConvInputs kQLinearConv{.x = 0, .w = 3};

void infer_qlinear_conv(InferContext& context) {
  for (size_t input : {0, 3, 7}) require_bytes(context, input);
  for (size_t input : {1, 4, 6}) require_type(context, input, TypeClass::kFloat);
  require_type_of(context, 2, 0);
  require_type_of(context, 5, 3);
  for (size_t input : {1, 2, 6, 7}) require_single(context, input);
  Shape shape = infer_convolution(context, kQLinearConv);
  for (size_t input : {4, 5}) check_channel_parameter(context, input, kQLinearConv);
  require_channels(context, 8, kQLinearConv, "the bias is one an output channel");
  context.set_output(0, Type(context.dtype(7), std::move(shape)));
}

void lower_qlinear_conv(LowerContext& context) {
  Expr x_scale = widen(single_element(context, 1)), y_scale = widen(single_element(context, 6));
  auto w_scale = channel_parameter(context, 4);
  auto result = [&](const Expr& sum, const Expr& channel) {
    Expr biased = context.has_input(8) ? sum + context.at_input(8, {channel}) : sum;
    Expr scale = x_scale * widen(w_scale(channel)) / y_scale;
    return quantized(cast(biased, scale.type()) * scale, single_element(context, 7),
                     context.output_type().dtype);
  };
  lower_convolution(context, {.inputs = kQLinearConv,
                              .x_zero_point = single_element(context, 2),
                              .w_zero_point = channel_parameter(context, 5),
                              .result = result});
}

}  // namespace

void register_quantized_products(OpRegistry& registry) {
  registry.add({.name = "MatMulInteger", .infer = infer_matmul_integer, .lower = lower_matmul_integer});
  registry.add({.name = "QLinearMatMul", .infer = infer_qlinear_matmul, .lower = lower_qlinear_matmul});
  registry.add({.name = "ConvInteger", .infer = infer_conv_integer, .lower = lower_conv_integer});
  registry.add({.name = "QLinearConv", .infer = infer_qlinear_conv, .lower = lower_qlinear_conv});
}

}  // namespace dlc::ir
