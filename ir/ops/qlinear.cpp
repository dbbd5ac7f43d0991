#include "ir/ops/qlinear.h"

#include "ir/ops/infer_util.h"
#include "ir/ops/quantize.h"

namespace dlc::ir {

void check_operand(const InferContext& context, size_t first) {
  require_bytes(context, first);
  check_result(context, first + 1, context.dtype(first));
}

void check_result(const InferContext& context, size_t scale, DType type) {
  require_type(context, scale, TypeClass::kFloat);
  require_single(context, scale);
  if (!context.has_input(scale + 1)) return;
  require_single(context, scale + 1);
  if (context.dtype(scale + 1) != type)
    context.fail("input {}: expected a zero point of {}, found {}", scale + 1, name(type),
                 name(context.dtype(scale + 1)));
}

Value* parameter(Builder& b, const Node& node, size_t input) {
  return node.input(input) == nullptr ? nullptr : b.reshape(node.input(input), {});
}

Value* dequantized(Builder& b, const Node& node, size_t first) {
  std::vector<Value*> inputs = {node.input(first), parameter(b, node, first + 1)};
  if (Value* zero = parameter(b, node, first + 2)) inputs.push_back(zero);
  return b.op("DequantizeLinear", std::move(inputs));
}

Value* quantized(Builder& b, const Node& node, Value* numbers, size_t scale, DType type) {
  Value* zero = parameter(b, node, scale + 1);
  if (zero == nullptr) zero = b.scalar(type, 0);
  return b.op("QuantizeLinear", {numbers, parameter(b, node, scale), zero});
}

Value* centered(Builder& b, const Node& node, size_t first) {
  Value* x = b.cast(node.input(first), DType::kInt32);
  if (Value* zero = parameter(b, node, first + 2)) x = b.sub(x, b.cast(zero, DType::kInt32));
  return x;
}

Value* rounded_with_zero_point(Builder& b, const Node& node, Value* multiples, size_t scale, DType type) {
  Value* sum = multiples;
  if (Value* zero = parameter(b, node, scale + 1)) sum = b.add(sum, b.cast(zero, DType::kFloat));
  return rounded(b, sum, type);
}

Value* rounded(Builder& b, Value* number, DType type) {
  const double low = type == DType::kInt8 ? -128 : 0;
  Value* bounded = b.op("Clip", {b.op("Round", {number}), b.like(number, low), b.like(number, low + 255)});
  return b.cast(bounded, type);
}

}  // namespace dlc::ir
