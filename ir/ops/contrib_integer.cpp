// Products of bytes of com.microsoft, as integer products of the standard and what follows them;
// QuantizeLinear and DequantizeLinear of com.microsoft.
#include "ir/ops/contrib_integer.h"

#include "ir/ops/contrib.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/product.h"
#include "ir/ops/qlinear.h"
#include "ir/ops/quantize.h"

namespace dlc::ir {
namespace {

// Without the absent ones at the end.
std::vector<Value*> trimmed(std::vector<Value*> inputs) {
  while (inputs.back() == nullptr) inputs.pop_back();
  return inputs;
}

// A scale or zero point of weights: one element, or one a column, as a vector or with axes of 1 in front.
void check_columns(const InferContext& context, size_t input, const Shape& result) {
  if (!context.has_input(input) || is_single(context.shape(input))) return;
  require_broadcasts_to(context, context.shape(input), result, fmt::format("input {}", input));
}

void check_bias(const InferContext& context, size_t input, const Shape& result) {
  if (!context.has_input(input)) return;
  require_type(context, input, TypeClass::kFloat);
  require_broadcasts_to(context, context.shape(input), {result.back()}, "the bias");
}

// ---- MatMulIntegerToFloat ---------------------------------------------------------------------------------

enum ToFloat : size_t { kA, kB, kAScale, kBScale, kAZero, kBZero, kBias };

void infer_to_float(InferContext& context) {
  for (size_t i : {kA, kB}) require_bytes(context, i);
  require_type_of(context, kAZero, kA);
  require_type_of(context, kBZero, kB);
  for (size_t i : {kAScale, kBScale}) require_type(context, i, TypeClass::kFloat);
  for (size_t i : {kAScale, kAZero}) require_single(context, i);
  Shape shape = infer_product(context, product_of(context.node()));
  for (size_t i : {kBScale, kBZero}) check_columns(context, i, shape);
  check_bias(context, kBias, shape);
  context.set_output(0, Type(context.dtype(kAScale), std::move(shape)));
}

bool expand_to_float(Builder& b, Node& node) {
  b.replace(node, 0,
            scaled_product(b, {.a = node.input(kA),
                               .b = node.input(kB),
                               .a_scale = node.input(kAScale),
                               .b_scale = node.input(kBScale),
                               .a_zero = node.input(kAZero),
                               .b_zero = node.input(kBZero),
                               .bias = node.input(kBias)}));
  return true;
}

// ---- DynamicQuantizeMatMul: A is quantised by its range ---------------------------------------------------

enum Dynamic : size_t { kNumbers, kWeights, kScale, kZero, kDynamicBias };

void infer_dynamic(InferContext& context) {
  require_type(context, kNumbers, TypeClass::kFloat);
  require_bytes(context, kWeights);
  require_type(context, kScale, TypeClass::kFloat);
  require_type_of(context, kZero, kWeights);
  Shape shape = infer_product(context, product_of(context.node()));
  for (size_t i : {kScale, kZero}) check_columns(context, i, shape);
  check_bias(context, kDynamicBias, shape);
  context.set_output(0, Type(context.dtype(kNumbers), std::move(shape)));
}

bool expand_dynamic(Builder& b, Node& node) {
  const std::vector<Value*> a = b.op_n("DynamicQuantizeLinear", 3, {node.input(kNumbers)});
  b.replace(node, 0,
            scaled_product(b, {.a = a[0],
                               .b = node.input(kWeights),
                               .a_scale = a[1],
                               .b_scale = node.input(kScale),
                               .a_zero = a[2],
                               .b_zero = node.input(kZero),
                               .bias = node.input(kDynamicBias)}));
  return true;
}

// ---- QGemm ------------------------------------------------------------------------------------------------

enum Gemm : size_t { kRows = 0, kColumns = 3, kSummand = 6, kResult = 7 };

bool is_transposed(const Node& node, const char* attribute) {
  return node.attribute<int64_t>(attribute, 0) != 0;
}

void infer_gemm(InferContext& context) {
  check_operand(context, kRows);
  require_bytes(context, kColumns);
  require_type(context, kColumns + 1, TypeClass::kFloat);
  require_type_of(context, kColumns + 2, kColumns);
  for (size_t i : {kRows, kColumns}) require_rank(context, i, 2);
  const bool a_transposed = is_transposed(context.node(), "transA"),
             b_transposed = is_transposed(context.node(), "transB");
  const Shape &a = context.shape(kRows), &b = context.shape(kColumns);
  require_equal_extents(context, a[a_transposed ? 0 : 1], b[b_transposed ? 1 : 0],
                        "columns of A and rows of B");
  Shape shape = {a[a_transposed ? 1 : 0], b[b_transposed ? 0 : 1]};
  for (size_t i : {kColumns + 1, kColumns + 2}) check_columns(context, i, shape);
  if (context.has_input(kSummand)) {
    if (context.dtype(kSummand) != DType::kInt32)
      context.fail("input 6 (C): expected int32, found {}", name(context.dtype(kSummand)));
    require_broadcasts_to(context, context.shape(kSummand), shape, "C");
  }
  if (context.has_input(kResult) != context.has_input(kResult + 1))
    context.fail("y_scale and y_zero_point go together");
  DType type = DType::kFloat;
  if (context.has_input(kResult)) {
    require_bytes(context, kResult + 1);
    type = context.dtype(kResult + 1);
    check_result(context, kResult, type);
  }
  context.set_output(0, Type(type, std::move(shape)));
}

bool expand_gemm(Builder& b, Node& node) {
  auto oriented = [&](size_t input, const char* attribute) {
    Value* value = node.input(input);
    return is_transposed(node, attribute) ? b.transpose(value, {1, 0}) : value;
  };
  Value* sum = b.op("MatMulInteger", trimmed({oriented(kRows, "transA"), oriented(kColumns, "transB"),
                                              parameter(b, node, kRows + 2), node.input(kColumns + 2)}));
  if (node.input(kSummand) != nullptr) sum = b.add(sum, node.input(kSummand));
  Value* factor = parameter(b, node, kRows + 1);
  factor = b.mul(b.mul(b.like(factor, node.attribute<double>("alpha", 1)), factor), node.input(kColumns + 1));
  Value* scale = parameter(b, node, kResult);
  if (scale != nullptr) factor = b.div(factor, scale);
  Value* result = b.mul(b.cast(sum, factor->dtype()), factor);
  if (scale != nullptr)
    result = b.op("QuantizeLinear", {result, b.like(scale, 1), parameter(b, node, kResult + 1)});
  b.replace(node, 0, result);
  return true;
}

// ---- MatMulInteger16 --------------------------------------------------------------------------------------

DType sum_of_shorts(const InferContext& context) {
  const bool is_unsigned = context.dtype(0) == DType::kUint16 && context.dtype(1) == DType::kUint16;
  return is_unsigned ? DType::kUint32 : DType::kInt32;
}

void infer_shorts(InferContext& context) {
  for (size_t i : {size_t{0}, size_t{1}}) {
    if (context.dtype(i) != DType::kInt16 && context.dtype(i) != DType::kUint16)
      context.fail("input {}: expected int16 or uint16, found {}", i, name(context.dtype(i)));
  }
  context.set_output(0, Type(sum_of_shorts(context), infer_product(context, product_of(context.node()))));
}

bool expand_shorts(Builder& b, Node& node) {
  const DType type = node.output()->dtype();
  b.replace(node, 0, b.op("MatMul", {b.cast(node.input(0), type), b.cast(node.input(1), type)}));
  return true;
}

// ---- QuantizeLinear and DequantizeLinear ------------------------------------------------------------------

void infer_quantize(InferContext& context) { OpRegistry::global().get("", "QuantizeLinear").infer(context); }
void infer_dequantize(InferContext& context) {
  OpRegistry::global().get("", "DequantizeLinear").infer(context);
}

bool expand_standard(Builder& b, Node& node) {
  b.replace(node, 0, b.op(node.op().name, {node.inputs().begin(), node.inputs().end()}, node.attributes()));
  return true;
}

}  // namespace

Value* scaled_product(Builder& b, const ScaledProduct& p) {
  auto scalar = [&](Value* value) { return value == nullptr ? nullptr : b.reshape(value, {}); };
  Value* sum = b.op("MatMulInteger", trimmed({p.a, p.b, scalar(p.a_zero), p.b_zero}));
  Value* factor = b.mul(scalar(p.a_scale), p.b_scale);
  Value* result = b.mul(b.cast(sum, factor->dtype()), factor);
  return p.bias == nullptr ? result : b.add(result, p.bias);
}

void register_contrib_integer(OpRegistry& registry) {
  const OpDef records[] = {
      {.name = "MatMulIntegerToFloat", .infer = infer_to_float, .expand = expand_to_float},
      {.name = "DynamicQuantizeMatMul", .infer = infer_dynamic, .expand = expand_dynamic},
      {.name = "QGemm", .infer = infer_gemm, .expand = expand_gemm},
      {.name = "MatMulInteger16", .infer = infer_shorts, .expand = expand_shorts},
      {.name = "QuantizeLinear", .infer = infer_quantize, .expand = expand_standard},
      {.name = "DequantizeLinear", .infer = infer_dequantize, .expand = expand_standard},
  };
  for (OpDef record : records) {
    record.domain = kContribDomain;
    registry.add(std::move(record));
  }
}

}  // namespace dlc::ir
