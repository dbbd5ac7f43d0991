// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear.
#include "ir/builder.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/quantization.h"
#include "ir/ops/quantize.h"

namespace dlc::ir {
namespace {

// ---- Granularity ------------------------------------------------------------------------------------------

// What elements of the data share a scale: all, the ones of a slice across an axis, or runs of `block`
// elements along the axis.
struct Granularity {
  enum class Kind : uint8_t { kTensor, kAxis, kBlock };
  Kind kind = Kind::kTensor;
  size_t axis = 0;
  int64_t block = 0;
};

Granularity granularity_of(const InferContext& context) {
  int64_t block = context.node().attribute<int64_t>("block_size", 0);
  const Shape& scale = context.shape(1);
  if (block < 0) context.fail("attribute 'block_size': expected a positive number, found {}", block);
  if (block == 0 && is_single(scale)) return {};
  int64_t axis = context.node().attribute<int64_t>("axis", 1);
  int64_t rank = context.rank(0);
  if (rank == 1 && block == 0) axis = 0;
  auto position = static_cast<size_t>(context.normalize_axis(axis, rank));
  if (block > 0) return {Granularity::Kind::kBlock, position, block};
  return {Granularity::Kind::kAxis, position, 0};
}

void check_parameters(const InferContext& context) {
  Granularity granularity = granularity_of(context);
  const Shape& x = context.shape(0);
  const Shape& scale = context.shape(1);
  if (granularity.kind == Granularity::Kind::kAxis) {
    require_rank(context, 1, 1);
    require_equal_extents(context, scale[0], x[granularity.axis], "one scale a slice of the axis");
  } else if (granularity.kind == Granularity::Kind::kBlock) {
    require_rank(context, 1, context.rank(0));
    for (size_t i = 0; i < x.size(); ++i) {
      Dim expected = i == granularity.axis ? ceil_div(x[i], Dim(granularity.block)) : x[i];
      require_equal_extents(context, scale[i], expected, "one scale a block");
    }
  }
  if (!context.has_input(2)) return;
  if (granularity.kind == Granularity::Kind::kTensor) return require_single(context, 2);
  require_rank(context, 2, context.rank(1));
  for (size_t i = 0; i < scale.size(); ++i)
    require_equal_extents(context, context.shape(2)[i], scale[i], "one zero point a scale");
}

void check_blocks(LowerContext& context, size_t input, const Granularity& granularity) {
  const Shape& x = context.input_shape(0);
  for (size_t i = 0; i < x.size(); ++i) {
    Dim expected = i == granularity.axis ? ceil_div(x[i], Dim(granularity.block)) : x[i];
    check_equal(context, context.input_shape(input)[i], expected, "one scale and zero point a block");
  }
}

// The scale or zero point of an element of the data; empty where the input is absent.
Expr parameter_at(LowerContext& context, size_t input, const Granularity& granularity, const Index& index) {
  if (!context.has_input(input)) return {};
  switch (granularity.kind) {
    case Granularity::Kind::kTensor:
      return single_element(context, input);
    case Granularity::Kind::kAxis:
      return element_along(context, input, context.input_shape(0)[granularity.axis], index[granularity.axis]);
    case Granularity::Kind::kBlock:
      break;
  }
  check_blocks(context, input, granularity);
  Index block = index;
  Expr& position = block[granularity.axis];
  position = binary(ExprOp::kFloorDiv, position, integer(granularity.block));
  return context.at_input(input, std::move(block));
}

// ---- QuantizeLinear ---------------------------------------------------------------------------------------

DType quantized_type(const InferContext& context) {
  std::optional<DType> type = type_attribute(context, "output_dtype");
  if (!context.has_input(2)) return type.value_or(DType::kUint8);
  DType zero = context.dtype(2);
  if (type && *type != zero) {
    context.fail("attribute 'output_dtype' is {}, but the zero point is of {}", name(*type), name(zero));
  }
  return zero;
}

// The type whose precision the quotient has.
DType quotient_type(const InferContext& context) {
  if (auto precision = type_attribute(context, "precision")) return *precision;
  if (belongs_to(context.dtype(1), TypeClass::kFloat)) return context.dtype(1);
  if (belongs_to(context.dtype(0), TypeClass::kFloat)) return context.dtype(0);
  return context.dtype(1) == DType::kInt32 ? DType::kDouble : DType::kFloat;
}

void require_scale(const InferContext& context) {
  DType type = context.dtype(1);
  if (belongs_to(type, TypeClass::kFloat) || type == DType::kFloat8E8M0 || type == DType::kInt32) return;
  context.fail("input 1: expected a scale of a floating-point type or int32, found {}", name(type));
}

void infer_quantize(InferContext& context) {
  require_type(context, 0, TypeClass::kNumeric);
  require_scale(context);
  check_parameters(context);
  DType type = quantized_type(context);
  if (!is_quantized(type)) context.fail("{} is no type of quantized elements", name(type));
  if (!belongs_to(quotient_type(context), TypeClass::kFloat))
    context.fail("attribute 'precision': {} is no floating-point type", name(quotient_type(context)));
  context.set_output(0, Type(type, context.shape(0)));
}

void lower_quantize(LowerContext& context) {
  InferContext node = facts(context);
  Granularity granularity = granularity_of(node);
  DType precision = quotient_type(node), wide = compute_type(precision);
  DType type = context.output_type().dtype;
  bool saturates = context.node().attribute<int64_t>("saturate", 1) != 0;
  auto rounded = [&](const Expr& e) { return cast(cast(e, precision), wide); };
  context.map_output([&](const Index& index) {
    Expr scale = rounded(parameter_at(context, 1, granularity, index));
    Expr quotient = rounded(rounded(context.at_input(0, index)) / scale);
    return quantized(quotient, parameter_at(context, 2, granularity, index), type, saturates);
  });
}

// ---- DequantizeLinear -------------------------------------------------------------------------------------

void infer_dequantize(InferContext& context) {
  DType type = context.dtype(0);
  if (!is_quantized(type) && type != DType::kInt32)
    context.fail("input 0: {} is no type of quantized elements", name(type));
  require_scale(context);
  check_parameters(context);
  if (context.has_input(2) && context.dtype(2) != type) {
    context.fail("input 2: expected a zero point of {} like the data, found {}", name(type),
                 name(context.dtype(2)));
  }
  DType result = type_attribute(context, "output_dtype").value_or(context.dtype(1));
  if (!belongs_to(result, TypeClass::kFloat)) context.fail("the result cannot be of {}", name(result));
  context.set_output(0, Type(result, context.shape(0)));
}

void lower_dequantize(LowerContext& context) {
  Granularity granularity = granularity_of(facts(context));
  DType type = context.output_type().dtype, wide = compute_type(type);
  context.map_output([&](const Index& index) {
    Expr scale = parameter_at(context, 1, granularity, index);
    Expr value = centered(context.at_input(0, index), parameter_at(context, 2, granularity, index));
    return cast(cast(value, wide) * cast(scale, wide), type);
  });
}

// ---- DynamicQuantizeLinear --------------------------------------------------------------------------------

void infer_dynamic_quantize(InferContext& context) {
  require_type(context, 0, TypeClass::kFloat);
  context.set_output(0, Type(DType::kUint8, context.shape(0)));
  context.set_output(1, Type(DType::kFloat, {}));
  context.set_output(2, Type(DType::kUint8, {}));
}

// The range of the elements, widened to hold 0, in 255 steps.
bool expand_dynamic_quantize(Builder& builder, Node& node) {
  Value* x = builder.cast(node.input(0), DType::kFloat);
  std::vector<int64_t> axes = all_axes(static_cast<int64_t>(x->shape().size()));
  Value* zero = builder.scalar(DType::kFloat, 0);
  Value* low = builder.op("Min", {builder.reduce("ReduceMin", x, axes, false), zero});
  Value* high = builder.op("Max", {builder.reduce("ReduceMax", x, axes, false), zero});
  Value* last = builder.scalar(DType::kFloat, 255);
  Value* scale = builder.div(builder.sub(high, low), last);
  Value* shift = builder.div(builder.sub(zero, low), scale);
  Value* rounded = builder.op("Round", {builder.op("Clip", {shift, zero, last})});
  Value* zero_point = builder.cast(rounded, DType::kUint8);
  if (node.output(0) != nullptr)
    builder.replace(node, 0, builder.op("QuantizeLinear", {x, scale, zero_point}));
  if (node.output(1) != nullptr) builder.replace(node, 1, scale);
  if (node.output(2) != nullptr) builder.replace(node, 2, zero_point);
  return true;
}

}  // namespace

void register_quantize_linear(OpRegistry& registry) {
  registry.add(
      {.name = "QuantizeLinear", .infer = infer_quantize, .lower = lower_quantize, .traits = Trait::kNone});
  registry.add({.name = "DequantizeLinear", .infer = infer_dequantize, .lower = lower_dequantize});
  registry.add(
      {.name = "DynamicQuantizeLinear", .infer = infer_dynamic_quantize, .expand = expand_dynamic_quantize});
}

}  // namespace dlc::ir
