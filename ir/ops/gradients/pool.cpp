// Pooling.
#include "ir/ops/gradients/rules.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

void max_pool_gradient(GradientContext& context) {
  if (context.grad() == nullptr) return;
  Value* taps = context.builder().op_in("dlc", "MaxPoolTaps", {context.input(0), context.output(0)},
                                        context.node().attributes());
  context.set(0, adjoint(context, "MaxPoolGradient", {context.grad(), taps}));
}

void average_pool_gradient(GradientContext& context) {
  context.set(0, adjoint(context, "AveragePoolGradient", {context.grad()}));
}

// |x|^p summed and made a root: the derivative of a window is sign(x) |x|^(p-1) y^(1-p).
Term norm_numerator(const Term& x, int64_t p) {
  if (p == 1) return sign(x);
  return p == 2 ? x : sign(x) * pow(abs(x), static_cast<double>(p - 1));
}

Term norm_denominator(const Term& dy, const Term& y, int64_t p) {
  if (p == 1) return dy;
  Term safe = where(equal(y, 0), 1, y);
  Term quotient = dy / (p == 2 ? safe : pow(safe, static_cast<double>(p - 1)));
  return where(equal(y, 0), 0, quotient);
}

int64_t power_of(const GradientContext& context) { return context.node().attribute<int64_t>("p", 2); }

void lp_pool_gradient(GradientContext& context) {
  Term share = norm_denominator(grad(context), output(context), power_of(context));
  context.set(
      0, norm_numerator(input(context, 0), power_of(context)) * adjoint(context, "SumPoolGradient", {share}));
}

// ---- Whole images -----------------------------------------------------------------------------------------

std::vector<int64_t> spatial(const Term& x) {
  std::vector<int64_t> axes;
  for (size_t i = 2; i < x.shape().size(); ++i) axes.push_back(static_cast<int64_t>(i));
  return axes;
}

void global_average_gradient(GradientContext& context) {
  Term x = input(context, 0);
  Dim count = product(Shape(x.shape().begin() + 2, x.shape().end()));
  context.set(0, expand(grad(context) / extent(context.builder(), count, x.dtype()), x.shape()));
}

// A maximum of a whole image is a reduction: elements that tie share the cotangent.
void global_max_gradient(GradientContext& context) {
  Term x = input(context, 0);
  Term hits = equal(x, output(context)).cast(x.dtype());
  context.set(0, hits * (grad(context) / sum(hits, spatial(x))));
}

void global_lp_gradient(GradientContext& context) {
  Term share = norm_denominator(grad(context), output(context), power_of(context));
  context.set(0, norm_numerator(input(context, 0), power_of(context)) * share);
}

constexpr GradientRule kRules[] = {
    {"MaxPool", max_pool_gradient},         {"AveragePool", average_pool_gradient},
    {"LpPool", lp_pool_gradient},           {"GlobalAveragePool", global_average_gradient},
    {"GlobalMaxPool", global_max_gradient}, {"GlobalLpPool", global_lp_gradient},
};

}  // namespace

std::span<const GradientRule> pool_gradients() { return kRules; }

}  // namespace dlc::ir
