// Polynomials: exp and log follow the reductions and coefficients of the Cephes mathematical library (S.
// Moshier); erf and tanh are the piecewise minimax forms that keep the relative error near one unit on both
// sides of a threshold.
#include "passes/expand_math.h"

#include <initializer_list>

namespace dlc::passes {

using ir::Expr;
using ir::ExprOp;

namespace {

Expr f(double value) { return ir::real(value, DType::kFloat); }
Expr i(int64_t value) { return ir::integer(value, DType::kInt32); }
Expr fma(const Expr& a, const Expr& b, const Expr& c) {
  return ir::make(ExprOp::kFma, DType::kFloat, {a, b, c});
}
Expr bits(const Expr& x) { return ir::make(ExprOp::kBitcast, DType::kInt32, {x}); }
Expr from_bits(const Expr& x) { return ir::make(ExprOp::kBitcast, DType::kFloat, {x}); }
Expr shift_left(const Expr& x, int64_t by) { return ir::binary(ExprOp::kShl, x, i(by)); }
Expr shift_right(const Expr& x, int64_t by) { return ir::binary(ExprOp::kShr, x, i(by)); }
Expr abs(const Expr& x) { return ir::unary(ExprOp::kAbs, x); }
Expr copysign(const Expr& magnitude, const Expr& sign) {
  return ir::binary(ExprOp::kCopysign, magnitude, sign);
}

// Coefficients from the highest power down.
Expr polynomial(const Expr& x, std::initializer_list<double> coefficients) {
  Expr result;
  for (double c : coefficients) result = result ? fma(result, x, f(c)) : f(c);
  return result;
}

// e^r * 2^n with n integral in [-252, 254]: the power of two in two factors, so that results may be
// subnormal.
Expr scale_by_power(const Expr& value, const Expr& n) {
  const Expr half = shift_right(n, 1);
  const Expr first = from_bits(shift_left(half + i(127), 23));
  const Expr second = from_bits(shift_left(n - half + i(127), 23));
  return value * first * second;
}

// Adding and subtracting 1.5 * 2^23 rounds to an integer and leaves that integer in the low bits.
constexpr double kRounder = 12582912.0;
constexpr int64_t kRounderBits = 0x4b400000;

// e^r for |r| <= ln(2) / 2.
Expr exp_reduced(const Expr& r) {
  const Expr p = polynomial(r, {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2,
                                1.6666665459e-1, 5.0000001201e-1});
  return fma(p, r * r, r) + f(1);
}

// e^argument * 2^power for a power of 0 or -1, finite wherever the result is.
Expr expand_scaled_exp(const Expr& argument, int64_t power) {
  const Expr x = ir::min(ir::max(argument, f(-104)), f(90));
  const Expr shifted = fma(x, f(1.44269504088896341), f(kRounder));
  const Expr n = shifted - f(kRounder);
  const Expr r = fma(n, f(2.12194440e-4), fma(n, f(-0.693359375), x));
  return scale_by_power(exp_reduced(r), bits(shifted) - i(kRounderBits - power));
}

Expr expand_exp(const Expr& argument) { return expand_scaled_exp(argument, 0); }

Expr expand_exp_of_nonpositive(const Expr& x) {
  const Expr shifted = fma(x, f(1.44269504088896341), f(kRounder));
  const Expr n = shifted - f(kRounder);
  const Expr r = fma(n, f(2.12194440e-4), fma(n, f(-0.693359375), x));
  // The shift drops all of the rounder but the integer.
  const Expr power = from_bits(shift_left(bits(shifted), 23) + i(int64_t{127} << 23));
  const Expr value = exp_reduced(r) * power;
  return ir::select(x < f(-87), f(0), value);
}

Expr expand_exp2(const Expr& argument) {
  const Expr x = ir::min(ir::max(argument, f(-151)), f(129));
  const Expr shifted = x + f(kRounder);
  const Expr r = (x - (shifted - f(kRounder))) * f(0.693147180559945309);
  return scale_by_power(exp_reduced(r), bits(shifted) - i(kRounderBits));
}

// ln(x) = exponent * ln(2) + ln(mantissa) with the mantissa in [sqrt(1/2), sqrt(2)).
Expr expand_log(const Expr& x) {
  const Expr tiny = x < f(1.17549435e-38);
  const Expr normal = ir::select(tiny, x * f(8388608.0), x);
  const Expr b = bits(normal);
  const Expr biased = shift_right(b - i(0x3f3504f3), 23);
  const Expr mantissa = from_bits(b - shift_left(biased, 23));
  const Expr exponent = ir::cast(biased, DType::kFloat) - ir::select(tiny, f(23), f(0));
  const Expr m = mantissa - f(1);
  const Expr z = m * m;
  const Expr p =
      polynomial(m, {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                     -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1});
  Expr y = p * m * z;
  y = fma(exponent, f(-2.12194440e-4), y);
  y = fma(z, f(-0.5), y);
  const Expr value = fma(exponent, f(0.693359375), m + y);
  const Expr infinity = f(__builtin_inf());
  const Expr nan = f(__builtin_nan(""));
  const Expr positive = ir::select(x < infinity, value, x);  // +inf and NaN give themselves
  return ir::select(ir::equal(x, f(0)), f(-__builtin_inf()), ir::select(x < f(0), nan, positive));
}

Expr expand_tanh(const Expr& x) {
  const Expr magnitude = abs(x);
  const Expr e = expand_exp(magnitude + magnitude);
  const Expr large = f(1) - f(2) / (e + f(1));
  const Expr z = x * x;
  const Expr p = polynomial(
      z, {-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1});
  const Expr small = fma(p * z, x, x);
  return ir::select(magnitude < f(0.625), small, copysign(large, x));
}

Expr expand_erf(const Expr& x) {
  const Expr t = abs(x);
  const Expr s = x * x;
  Expr r = fma(f(-1.72853470e-5), t, f(3.83197126e-4));
  const Expr u = fma(f(-3.88396438e-3), t, f(2.42546219e-2));
  r = fma(r, s, u);
  r = fma(r, t, f(-1.06777877e-1));
  r = fma(r, t, f(-6.34846687e-1));
  r = fma(r, t, f(-1.28717512e-1));
  r = fma(r, t, -t);
  // Beyond 4 the result is 1 in float; the polynomial must not run away there.
  const Expr large = f(1) - expand_exp(ir::select(t < f(4), r, f(-20)));
  const Expr p = polynomial(
      s, {-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1});
  const Expr small = fma(p, x, x);
  const Expr finite = ir::select(t > f(0.921875), copysign(large, x), small);
  return ir::select(ir::equal(x, x), finite, x);
}

Expr expand_sinh(const Expr& x) {
  const Expr magnitude = abs(x);
  const Expr half = expand_scaled_exp(magnitude, -1);
  const Expr large = half - f(0.25) / half;
  const Expr z = x * x;
  const Expr small = fma(polynomial(z, {2.03721912945e-4, 8.33028376239e-3, 1.66667160211e-1}) * z, x, x);
  return ir::select(magnitude < f(1), small, copysign(large, x));
}

Expr expand_cosh(const Expr& x) {
  const Expr half = expand_scaled_exp(abs(x), -1);
  return half + f(0.25) / half;
}

Expr expand_pow(const Expr& x, const Expr& exponent) {
  if (exponent->op != ExprOp::kFloat && exponent->op != ExprOp::kInt) return {};
  const double value =
      exponent->op == ExprOp::kFloat ? exponent->real : static_cast<double>(exponent->integer);
  const Expr one = ir::constant(x.type(), 1);
  if (value == 1) return x;
  if (value == 2) return x * x;
  if (value == 3) return x * x * x;
  if (value == 4) return (x * x) * (x * x);
  if (value == -1) return one / x;
  // pow(-inf, 0.5) is +inf and pow(-0, 0.5) is +0, unlike sqrt.
  if (value == 0.5)
    return ir::select(ir::equal(x, ir::constant(x.type(), -__builtin_inf())),
                      ir::constant(x.type(), __builtin_inf()),
                      ir::unary(ExprOp::kSqrt, abs(x) + (x - abs(x))));
  return {};
}

Expr expand_float(ExprOp op, const Expr& x) {
  switch (op) {
    case ExprOp::kExp:
      return expand_exp(x);
    case ExprOp::kExp2:
      return expand_exp2(x);
    case ExprOp::kLog:
      return expand_log(x);
    case ExprOp::kLog2:
      return expand_log(x) * f(1.44269504088896341);
    case ExprOp::kTanh:
      return expand_tanh(x);
    case ExprOp::kErf:
      return expand_erf(x);
    case ExprOp::kSinh:
      return expand_sinh(x);
    case ExprOp::kCosh:
      return expand_cosh(x);
    default:
      return {};
  }
}

bool is_small_float(DType type) { return is_float(type) && bit_width(type) < 32; }

Expr expand_node(const Expr& e) {
  if (e->op == ExprOp::kPow && is_float(e->type)) return expand_pow(e->args[0], e->args[1]);
  if (e->args.size() != 1 || !is_float(e->type)) return {};
  if (e->type == DType::kFloat) return expand_float(e->op, e->args[0]);
  if (!is_small_float(e->type)) return {};
  Expr wide = expand_float(e->op, ir::cast(e->args[0], DType::kFloat));
  return wide ? ir::cast(wide, e->type) : Expr();
}

void expand_region(ir::Region& region) {
  ir::for_each_step(region, [](ir::Step& step) {
    auto* kernel = std::get_if<ir::KernelStep>(&step.node);
    if (!kernel || std::holds_alternative<ir::Call>(kernel->kernel.body)) return;
    ir::rewrite_exprs(kernel->kernel, [](const Expr& e) { return expand_math(e); });
  });
}

}  // namespace

Expr expand_math(const Expr& e) { return ir::rewrite(e, expand_node); }

Expr exp_of_nonpositive(const Expr& x) {
  return x.type() == DType::kFloat ? expand_exp_of_nonpositive(x) : ir::unary(ExprOp::kExp, x);
}

void expand_math(ir::Program& program, const Options& options) {
  if (!options.reference) expand_region(program.main);
}

}  // namespace dlc::passes
