#include "passes/expand_small_floats.h"

#include <bit>
#include <cmath>

#include "ir/kernel/names.h"
#include "runtime/small_floats.h"

namespace dlc::passes {

using ir::Expr;
using ir::ExprOp;

namespace {

bool is_small_float(DType type) { return is_float(type) && bit_width(type) < 32; }

// A float of 32 or 64 bits, seen as sign, exponent and mantissa in a signed integer of its width.
struct WideFormat {
  DType real;
  DType integer;
  int bits;
  int mantissa_bits;
  int bias;
};
constexpr WideFormat kFloatFormat{DType::kFloat, DType::kInt32, 32, 23, 127};
constexpr WideFormat kDoubleFormat{DType::kDouble, DType::kInt64, 64, 52, 1023};

DType bits_type(DType small) {
  switch (bit_width(small)) {
    case 16:
      return DType::kUint16;
    case 8:
      return DType::kUint8;
    default:
      return DType::kUint4;
  }
}

Expr bitcast(const Expr& value, DType type) { return ir::make(ExprOp::kBitcast, type, {value}); }
Expr shift_left(const Expr& x, int64_t by) { return ir::binary(ExprOp::kShl, x, ir::integer(by, x.type())); }
Expr shift_right(const Expr& x, int64_t by) { return ir::binary(ExprOp::kShr, x, ir::integer(by, x.type())); }
Expr bit_and(const Expr& x, int64_t mask) { return ir::binary(ExprOp::kAnd, x, ir::integer(mask, x.type())); }
Expr bit_or(const Expr& x, const Expr& y) { return ir::binary(ExprOp::kOr, x, y); }

// The code of the magnitude `a` (the bits of a float without its sign), rounded to nearest even; beyond the
// largest finite code where the number is too large.
Expr encode_magnitude(const Expr& a, const SmallFloatFormat& format, const WideFormat& wide) {
  auto constant = [&](int64_t value) { return ir::integer(value, wide.integer); };
  const int shift = wide.mantissa_bits - format.mantissa_bits;
  const int64_t half = int64_t{1} << (shift - 1);
  const Expr odd = bit_and(shift_right(a, shift), 1);
  const int64_t rebias = int64_t{wide.bias - format.bias} << format.mantissa_bits;
  const Expr normal = shift_right(a + constant(half - 1) + odd, shift) - constant(rebias);
  if (rebias == 0) return normal;
  // A sum whose unit in the last place is the format's smallest number rounds to a multiple of it.
  const double magic = std::ldexp(1.0, wide.mantissa_bits + 1 - format.bias - format.mantissa_bits);
  const Expr sum = bitcast(a, wide.real) + ir::real(magic, wide.real);
  const int64_t magic_exponent = wide.bias + wide.mantissa_bits + 1 - format.bias - format.mantissa_bits;
  const Expr subnormal = bitcast(sum, wide.integer) - constant(magic_exponent << wide.mantissa_bits);
  const int64_t smallest_normal = int64_t{wide.bias + 1 - format.bias} << wide.mantissa_bits;
  return ir::select(a < constant(smallest_normal), subnormal, normal);
}

Expr encode(const Expr& value, const SmallFloatFormat& format, const WideFormat& wide, DType to) {
  auto constant = [&](int64_t code) { return ir::integer(code, wide.integer); };
  const int code_bits = 1 + format.exponent_bits + format.mantissa_bits;
  const Expr bits = bitcast(value, wide.integer);
  const int64_t magnitude_mask = static_cast<int64_t>((uint64_t{1} << (wide.bits - 1)) - 1);
  const Expr a = bit_and(bits, magnitude_mask);
  const Expr sign = bit_and(shift_right(bits, wide.bits - code_bits), int64_t{1} << (code_bits - 1));
  Expr code = encode_magnitude(a, format, wide);
  code = ir::select(code > constant(format.max_finite), constant(format.overflow), code);
  const int64_t infinity = int64_t{2 * wide.bias + 1} << wide.mantissa_bits;
  code = ir::select(a > constant(infinity), constant(format.nan), code);
  const Expr with_sign = bit_or(code, sign);
  code = format.negative_zero ? with_sign : ir::select(ir::equal(code, constant(0)), code, with_sign);
  return bitcast(ir::cast(code, bits_type(to)), to);
}

// A power of two has only an exponent: of a double in [2^-127, 2^127], rounded to the nearest, ties up.
Expr encode_e8m0(const Expr& value) {
  auto constant = [](int64_t code) { return ir::integer(code, DType::kInt64); };
  const Expr bits = bitcast(value, DType::kInt64);
  const Expr exponent = shift_right(bits, 52) - constant(1023 - 127) + bit_and(shift_right(bits, 51), 1);
  const Expr code = ir::min(ir::max(exponent, constant(0)), constant(254));
  const Expr valid = ir::equal(value, value) && bits >= constant(0);
  return bitcast(ir::cast(ir::select(valid, code, constant(255)), DType::kUint8), DType::kFloat8E8M0);
}

Expr decode(const Expr& value, const SmallFloatFormat& format) {
  auto constant = [](int64_t code) { return ir::integer(code, DType::kInt32); };
  const int code_bits = 1 + format.exponent_bits + format.mantissa_bits;
  const int64_t sign_bit = int64_t{1} << (code_bits - 1);
  const Expr code = ir::cast(bitcast(value, bits_type(value.type())), DType::kInt32);
  const Expr sign = shift_left(bit_and(code, sign_bit), 32 - code_bits);
  if (format.bias == 127) return bitcast(shift_left(code, 32 - code_bits), DType::kFloat);
  const Expr magnitude = bit_and(code, sign_bit - 1);
  const Expr normal =
      shift_left(magnitude, 23 - format.mantissa_bits) + constant(int64_t{127 - format.bias} << 23);
  const Expr unit = ir::real(std::ldexp(1.0, 1 - format.bias - format.mantissa_bits));
  const Expr subnormal = bitcast(ir::cast(magnitude, DType::kFloat) * unit, DType::kInt32);
  Expr bits = ir::select(magnitude < constant(int64_t{1} << format.mantissa_bits), subnormal, normal);
  const Expr nan = constant(0x7fc00000);
  if (!format.negative_zero) {
    bits = ir::select(ir::equal(code, constant(format.nan)), nan, bits);
  } else if (format.max_finite + 1 < sign_bit) {
    Expr special = nan;
    if (format.infinity >= 0)
      special = ir::select(ir::equal(magnitude, constant(format.infinity)), constant(0x7f800000), nan);
    bits = ir::select(magnitude > constant(format.max_finite), special, bits);
  }
  return bitcast(bit_or(bits, sign), DType::kFloat);
}

Expr decode_e8m0(const Expr& value) {
  auto constant = [](int64_t code) { return ir::integer(code, DType::kInt32); };
  const Expr code = ir::cast(bitcast(value, DType::kUint8), DType::kInt32);
  Expr bits = ir::select(ir::equal(code, constant(0)), constant(0x00400000), shift_left(code, 23));
  bits = ir::select(ir::equal(code, constant(255)), constant(0x7fc00000), bits);
  return bitcast(bits, DType::kFloat);
}

class Expander {
 public:
  explicit Expander(const FloatConversions& native) : native_(native) {}

  Expr expand(const Expr& e) const {
    if (e->args.empty()) return {};
    const DType argument = e->args.back().type();
    if (!is_small_float(e->type) && !is_small_float(argument)) return {};
    switch (e->op) {
      case ExprOp::kLoad:
      case ExprOp::kSelect:
      case ExprOp::kBitcast:
        return {};
      case ExprOp::kCast:
        return is_native(argument, e->type) ? Expr() : convert(e->args[0], e->type);
      default:
        break;
    }
    std::vector<Expr> wide;
    for (const Expr& arg : e->args) wide.push_back(convert(arg, DType::kFloat));
    const DType type = is_small_float(e->type) ? DType::kFloat : e->type;
    return convert(ir::make(e->op, type, std::move(wide)), e->type);
  }

 private:
  bool is_native(DType from, DType to) const {
    const bool half =
        (from == DType::kFloat16 && to == DType::kFloat) || (from == DType::kFloat && to == DType::kFloat16);
    return half && native_.float16;
  }

  Expr convert(const Expr& value, DType to) const {
    const DType from = value.type();
    if (from == to || is_native(from, to) || (!is_small_float(from) && !is_small_float(to)))
      return ir::cast(value, to);
    if (is_small_float(from)) return convert(to_float(value), to);
    return from_wide(is_float(from) ? value : ir::cast(value, exact_type(from, to)), to);
  }

  // The float type that takes an integer on its way to a small float without a rounding that shows: what
  // float32 rounds is too large for all of these but bfloat16 and E8M0.
  static DType exact_type(DType integer, DType to) {
    const bool large_range = to == DType::kBfloat16 || to == DType::kFloat8E8M0;
    return large_range && bit_width(integer) > 16 ? DType::kDouble : DType::kFloat;
  }

  Expr to_float(const Expr& value) const {
    const DType from = value.type();
    if (is_native(from, DType::kFloat)) return ir::cast(value, DType::kFloat);
    const SmallFloatFormat* format = small_float_format(from);
    return format != nullptr ? decode(value, *format) : decode_e8m0(value);
  }

  // From float32 or float64.
  Expr from_wide(const Expr& value, DType to) const {
    if (is_native(value.type(), to)) return ir::cast(value, to);
    const SmallFloatFormat* format = small_float_format(to);
    if (format == nullptr) return encode_e8m0(ir::cast(value, DType::kDouble));
    return encode(value, *format, value.type() == DType::kFloat ? kFloatFormat : kDoubleFormat, to);
  }

  FloatConversions native_;
};

}  // namespace

Expr expand_small_floats(const Expr& e, const FloatConversions& native) {
  const Expander expander(native);
  return ir::rewrite(e, [&](const Expr& node) { return expander.expand(node); });
}

void expand_small_floats(ir::Program& program, const FloatConversions& native) {
  ir::for_each_step(program.main, [&](ir::Step& step) {
    auto* kernel = std::get_if<ir::KernelStep>(&step.node);
    if (!kernel || std::holds_alternative<ir::Call>(kernel->kernel.body)) return;
    ir::rewrite_exprs(kernel->kernel, [&](const Expr& e) { return expand_small_floats(e, native); });
  });
}

}  // namespace dlc::passes
