#include "ir/kernel/scalar.h"

#include <cmath>
#include <limits>

#include "ir/kernel/names.h"
#include "runtime/error.h"
#include "runtime/small_floats.h"

namespace dlc::ir {

bool is_real(DType type) { return is_float(type); }

int64_t wrap(DType type, int64_t value) {
  if (type == DType::kBool) return value != 0;
  const int bits = bit_width(type);
  if (bits >= 64) return value;
  const int shift = 64 - bits;
  const uint64_t shifted = static_cast<uint64_t>(value) << shift;
  return is_signed(type) ? static_cast<int64_t>(shifted) >> shift : static_cast<int64_t>(shifted >> shift);
}

double round_to(DType type, double value) {
  if (type == DType::kDouble) return value;
  if (type == DType::kFloat) return static_cast<float>(value);
  return decode_small_float(type, encode_small_float(type, value));
}

namespace {

double minimum(double a, double b) { return a != a || b != b ? a + b : std::fmin(a, b); }
double maximum(double a, double b) { return a != a || b != b ? a + b : std::fmax(a, b); }

// a * b + c for formats narrower than float: the sum in double, made odd where
// it is inexact, so that the second rounding sees on which side of a tie the
// exact value lies.
double fma_to_odd(double a, double b, double c) {
  const double product = a * b;
  const double sum = product + c;
  const double part = sum - product;
  const double error = (product - (sum - part)) + (c - part);
  if (error == 0 || !std::isfinite(sum) || (std::bit_cast<uint64_t>(sum) & 1) != 0) return sum;
  return std::nextafter(sum, error > 0 ? INFINITY : -INFINITY);
}

double fused_multiply_add(DType type, double a, double b, double c) {
  if (type == DType::kDouble) return std::fma(a, b, c);
  if (type == DType::kFloat) {
    return std::fma(static_cast<float>(a), static_cast<float>(b), static_cast<float>(c));
  }
  return fma_to_odd(a, b, c);
}

// The correctly named function of libm in float for float, else in double
// (rounded by the caller).
template <class F>
double math(DType type, double x, F f) {
  return type == DType::kFloat ? static_cast<double>(f(static_cast<float>(x))) : f(x);
}
template <class F>
double math(DType type, double x, double y, F f) {
  return type == DType::kFloat ? static_cast<double>(f(static_cast<float>(x), static_cast<float>(y)))
                               : f(x, y);
}

double apply_libm(ExprOp op, DType t, double x, double y) {
  switch (op) {
    case ExprOp::kExp:
      return math(t, x, [](auto v) { return std::exp(v); });
    case ExprOp::kExp2:
      return math(t, x, [](auto v) { return std::exp2(v); });
    case ExprOp::kLog:
      return math(t, x, [](auto v) { return std::log(v); });
    case ExprOp::kLog2:
      return math(t, x, [](auto v) { return std::log2(v); });
    case ExprOp::kSin:
      return math(t, x, [](auto v) { return std::sin(v); });
    case ExprOp::kCos:
      return math(t, x, [](auto v) { return std::cos(v); });
    case ExprOp::kTan:
      return math(t, x, [](auto v) { return std::tan(v); });
    case ExprOp::kAsin:
      return math(t, x, [](auto v) { return std::asin(v); });
    case ExprOp::kAcos:
      return math(t, x, [](auto v) { return std::acos(v); });
    case ExprOp::kAtan:
      return math(t, x, [](auto v) { return std::atan(v); });
    case ExprOp::kSinh:
      return math(t, x, [](auto v) { return std::sinh(v); });
    case ExprOp::kCosh:
      return math(t, x, [](auto v) { return std::cosh(v); });
    case ExprOp::kTanh:
      return math(t, x, [](auto v) { return std::tanh(v); });
    case ExprOp::kAsinh:
      return math(t, x, [](auto v) { return std::asinh(v); });
    case ExprOp::kAcosh:
      return math(t, x, [](auto v) { return std::acosh(v); });
    case ExprOp::kAtanh:
      return math(t, x, [](auto v) { return std::atanh(v); });
    case ExprOp::kErf:
      return math(t, x, [](auto v) { return std::erf(v); });
    case ExprOp::kPow:
      return math(t, x, y, [](auto a, auto b) { return std::pow(a, b); });
    default:
      check(false, "an operation on floats");
      return 0;
  }
}

double apply_real(ExprOp op, DType t, double x, double y, double z) {
  switch (op) {
    case ExprOp::kAdd:
      return x + y;
    case ExprOp::kSub:
      return x - y;
    case ExprOp::kMul:
      return x * y;
    case ExprOp::kDiv:
      return x / y;
    case ExprOp::kFloorDiv:
      return std::floor(x / y);
    case ExprOp::kMod: {
      const double r = std::fmod(x, y);
      return r != 0 && (r < 0) != (y < 0) ? r + y : r;
    }
    case ExprOp::kTruncMod:
    case ExprOp::kFmod:
      return std::fmod(x, y);
    case ExprOp::kMin:
      return minimum(x, y);
    case ExprOp::kMax:
      return maximum(x, y);
    case ExprOp::kNeg:
      return -x;
    case ExprOp::kAbs:
      return std::fabs(x);
    case ExprOp::kFma:
      return fused_multiply_add(t, x, y, z);
    case ExprOp::kSqrt:
      return std::sqrt(x);
    case ExprOp::kRsqrt:
      return 1.0 / std::sqrt(x);
    case ExprOp::kFloor:
      return std::floor(x);
    case ExprOp::kCeil:
      return std::ceil(x);
    case ExprOp::kRoundEven:
      return std::nearbyint(x);
    case ExprOp::kTrunc:
      return std::trunc(x);
    case ExprOp::kCopysign:
      return std::copysign(x, y);
    default:
      return apply_libm(op, t, x, y);
  }
}

bool is_unsigned(DType type) { return !is_signed(type); }

int64_t divide(ExprOp op, DType type, int64_t x, int64_t y) {
  if (y == 0) return 0;
  const bool modulo = op == ExprOp::kMod || op == ExprOp::kTruncMod || op == ExprOp::kFmod;
  if (is_unsigned(type)) {
    const uint64_t a = static_cast<uint64_t>(x), b = static_cast<uint64_t>(y);
    return static_cast<int64_t>(modulo ? a % b : a / b);
  }
  if (y == -1) return modulo ? 0 : static_cast<int64_t>(uint64_t{0} - static_cast<uint64_t>(x));
  const int64_t quotient = x / y, rest = x % y;
  const bool floored = (op == ExprOp::kFloorDiv || op == ExprOp::kMod) && rest != 0 && (rest < 0) != (y < 0);
  return modulo ? rest + (floored ? y : 0) : quotient - (floored ? 1 : 0);
}

bool less(DType type, int64_t x, int64_t y) {
  return is_unsigned(type) ? static_cast<uint64_t>(x) < static_cast<uint64_t>(y) : x < y;
}

int64_t power(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  uint64_t result = 1, factor = static_cast<uint64_t>(base);
  for (uint64_t e = static_cast<uint64_t>(exponent); e != 0; e >>= 1, factor *= factor) {
    if ((e & 1) != 0) result *= factor;
  }
  return static_cast<int64_t>(result);
}

int64_t apply_integer(ExprOp op, DType t, int64_t x, int64_t y, int64_t z) {
  const uint64_t a = static_cast<uint64_t>(x), b = static_cast<uint64_t>(y);
  const int width = bit_width(t) < 8 ? 8 : bit_width(t);
  switch (op) {
    case ExprOp::kAdd:
      return static_cast<int64_t>(a + b);
    case ExprOp::kSub:
      return static_cast<int64_t>(a - b);
    case ExprOp::kMul:
      return static_cast<int64_t>(a * b);
    case ExprOp::kDiv:
    case ExprOp::kFloorDiv:
    case ExprOp::kMod:
    case ExprOp::kTruncMod:
    case ExprOp::kFmod:
      return divide(op, t, x, y);
    case ExprOp::kMin:
      return less(t, y, x) ? y : x;
    case ExprOp::kMax:
      return less(t, x, y) ? y : x;
    case ExprOp::kNeg:
      return static_cast<int64_t>(uint64_t{0} - a);
    case ExprOp::kAbs:
      return is_signed(t) && x < 0 ? static_cast<int64_t>(uint64_t{0} - a) : x;
    case ExprOp::kFma:
      return static_cast<int64_t>(a * b + static_cast<uint64_t>(z));
    case ExprOp::kAnd:
      return x & y;
    case ExprOp::kOr:
      return x | y;
    case ExprOp::kXor:
      return x ^ y;
    case ExprOp::kNot:
      return t == DType::kBool ? x == 0 : ~x;
    case ExprOp::kShl:
      return static_cast<int64_t>(a << (b % static_cast<uint64_t>(width)));
    case ExprOp::kShr:
      return is_signed(t) ? x >> (b % static_cast<uint64_t>(width))
                          : static_cast<int64_t>(a >> (b % static_cast<uint64_t>(width)));
    case ExprOp::kPow:
      return power(x, y);
    case ExprOp::kFloor:
    case ExprOp::kCeil:
    case ExprOp::kRoundEven:
    case ExprOp::kTrunc:
      return x;
    default:
      check(false, "an operation on integers");
      return 0;
  }
}

template <class T, class Less>
bool compare(ExprOp op, T x, T y, Less is_less) {
  switch (op) {
    case ExprOp::kEq:
      return x == y;
    case ExprOp::kNe:
      return x != y;
    case ExprOp::kLt:
      return is_less(x, y);
    case ExprOp::kGt:
      return is_less(y, x);
    case ExprOp::kLe:
      return is_less(x, y) || x == y;
    default:
      return is_less(y, x) || x == y;
  }
}

int64_t saturate(DType type, double value) {
  if (value != value) return 0;
  if (type == DType::kBool) return value != 0;
  const double whole = std::trunc(value);
  const int bits = bit_width(type);
  if (is_signed(type)) {
    const double limit = std::ldexp(1.0, bits - 1);
    if (whole >= limit) return static_cast<int64_t>((uint64_t{1} << (bits - 1)) - 1);
    if (whole < -limit) return wrap(type, static_cast<int64_t>(uint64_t{1} << (bits - 1)));
    return static_cast<int64_t>(whole);
  }
  if (whole <= 0) return 0;
  if (whole >= std::ldexp(1.0, bits)) return bits == 64 ? -1 : (int64_t{1} << bits) - 1;
  return static_cast<int64_t>(static_cast<uint64_t>(whole));
}

Scalar convert(DType from, DType to, Scalar value) {
  if (is_real(from)) {
    if (is_real(to)) return scalar_of_real(round_to(to, value.real));
    if (to == DType::kBool) return scalar_of(!(value.real == 0));
    return scalar_of(saturate(to, value.real));
  }
  if (!is_real(to)) return scalar_of(wrap(to, value.integer));
  if (from != DType::kUint64 || value.integer >= 0) {
    // A 64-bit integer goes to float in one rounding.
    if (to == DType::kFloat) return scalar_of_real(static_cast<float>(value.integer));
    return scalar_of_real(round_to(to, static_cast<double>(value.integer)));
  }
  const uint64_t bits = static_cast<uint64_t>(value.integer);
  if (to == DType::kFloat) return scalar_of_real(static_cast<float>(bits));
  return scalar_of_real(round_to(to, static_cast<double>(bits)));
}

uint64_t bits_of(DType type, Scalar value) {
  if (!is_real(type)) return static_cast<uint64_t>(value.integer);
  if (type == DType::kDouble) return std::bit_cast<uint64_t>(value.real);
  if (type == DType::kFloat) return std::bit_cast<uint32_t>(static_cast<float>(value.real));
  return encode_small_float(type, value.real);
}

Scalar from_bits(DType type, uint64_t bits) {
  if (!is_real(type)) return scalar_of(wrap(type, static_cast<int64_t>(bits)));
  if (type == DType::kDouble) return scalar_of_real(std::bit_cast<double>(bits));
  if (type == DType::kFloat) return scalar_of_real(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  return scalar_of_real(decode_small_float(type, static_cast<uint16_t>(bits)));
}

}  // namespace

Scalar apply(ExprOp op, DType argument, DType type, const Scalar* args) {
  if (op == ExprOp::kSelect) return args[0].integer != 0 ? args[1] : args[2];
  if (op == ExprOp::kCast) return convert(argument, type, args[0]);
  if (op == ExprOp::kBitcast) return from_bits(type, bits_of(argument, args[0]));
  const bool real = is_real(argument);
  if (is_comparison(op)) {
    if (real)
      return scalar_of(compare(op, args[0].real, args[1].real, [](double a, double b) { return a < b; }));
    return scalar_of(compare(op, args[0].integer, args[1].integer,
                             [argument](int64_t a, int64_t b) { return less(argument, a, b); }));
  }
  if (op == ExprOp::kIsNan) return scalar_of(real && std::isnan(args[0].real));
  if (op == ExprOp::kIsInf) return scalar_of(real && std::isinf(args[0].real));
  const int n = arity_of(op);
  if (real) {
    const double y = n > 1 ? args[1].real : 0, z = n > 2 ? args[2].real : 0;
    return scalar_of_real(round_to(type, apply_real(op, type, args[0].real, y, z)));
  }
  const int64_t y = n > 1 ? args[1].integer : 0, z = n > 2 ? args[2].integer : 0;
  return scalar_of(wrap(type, apply_integer(op, type, args[0].integer, y, z)));
}

}  // namespace dlc::ir
