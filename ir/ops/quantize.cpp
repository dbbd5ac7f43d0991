#include "ir/ops/quantize.h"

#include <algorithm>
#include <cmath>

namespace dlc::ir {
namespace {

struct Range {
  double low;
  double high;
};

Range range_of_integers(DType type) {
  int bits = bit_width(type);
  if (!is_signed(type)) return {0, std::ldexp(1.0, bits) - 1};
  return {-std::ldexp(1.0, bits - 1), std::ldexp(1.0, bits - 1) - 1};
}

bool is_zero(const Expr& e) { return e->op == ExprOp::kInt && e->integer == 0; }

}  // namespace

bool is_quantized(DType type) {
  if (is_integer(type)) return bit_width(type) <= 16;
  return is_float(type) && bit_width(type) <= 8 && type != DType::kFloat8E8M0;
}

bool is_byte(DType type) { return type == DType::kInt8 || type == DType::kUint8; }

void require_bytes(const InferContext& context, size_t input) {
  if (is_byte(context.dtype(input))) return;
  context.fail("input {}: expected int8 or uint8, found {}", input, name(context.dtype(input)));
}

void require_type_of(const InferContext& context, size_t input, size_t like) {
  if (!context.has_input(input) || context.dtype(input) == context.dtype(like)) return;
  context.fail("input {}: expected {} like input {}, found {}", input, name(context.dtype(like)), like,
               name(context.dtype(input)));
}

Expr quantized(const Expr& value, const Expr& zero_point, DType type, bool saturates) {
  Expr result = is_integer(type) ? unary(ExprOp::kRoundEven, value) : value;
  if (zero_point && !is_zero(zero_point)) result = result + cast(zero_point, value.type());
  if (!is_integer(type)) return saturates ? saturating_cast(result, type) : cast(result, type);
  Range range = range_of_integers(type);
  result = min(max(result, real(range.low, value.type())), real(range.high, value.type()));
  return cast(cast(result, DType::kInt32), type);
}

Expr centered(const Expr& element, const Expr& zero_point) {
  DType type = element.type();
  if (!zero_point || is_zero(zero_point)) return cast(element, DType::kFloat);
  // Differences of narrow integers are exact in int32; those of wide ones are not even in it.
  if (is_integer(type) && bit_width(type) <= 16)
    return cast(cast(element, DType::kInt32) - cast(zero_point, DType::kInt32), DType::kFloat);
  return cast(element, DType::kFloat) - cast(zero_point, DType::kFloat);
}

bool is_single(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](const Dim& extent) { return extent == Dim(1); });
}

Expr element_along(LowerContext& context, size_t input, const Dim& target, const Expr& position) {
  const Dim extent = context.input_shape(input)[0];
  check_one_or(context, extent, target, "scales and zero points");
  return context.at_input(input, {broadcast_coordinate(position, extent, target)});
}

}  // namespace dlc::ir
