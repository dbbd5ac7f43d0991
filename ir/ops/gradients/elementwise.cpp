// Element-wise arithmetic, functions of one argument, selection, conversion. The driver sums over axes that a
// node repeats.
#include <cmath>
#include <numbers>

#include "ir/ops/gradients/rules.h"

namespace dlc::ir {
namespace {

// ---- One argument -----------------------------------------------------------------------------------------

using Derivative = Term (*)(const Term& x, const Term& y);

template <Derivative kDerivative>
void scaled(GradientContext& context) {
  context.set(0, grad(context) * kDerivative(input(context, 0), output(context)));
}

Term of_exp(const Term&, const Term& y) { return y; }
Term of_sqrt(const Term&, const Term& y) { return 0.5 / y; }
Term of_reciprocal(const Term&, const Term& y) { return -(y * y); }
Term of_abs(const Term& x, const Term&) { return sign(x); }
Term of_sin(const Term& x, const Term&) { return x.apply("Cos"); }
Term of_cos(const Term& x, const Term&) { return -x.apply("Sin"); }
Term of_tan(const Term&, const Term& y) { return 1 + y * y; }
Term of_asin(const Term& x, const Term&) { return 1 / sqrt(1 - x * x); }
Term of_acos(const Term& x, const Term&) { return -1 / sqrt(1 - x * x); }
Term of_atan(const Term& x, const Term&) { return 1 / (1 + x * x); }
Term of_sinh(const Term& x, const Term&) { return x.apply("Cosh"); }
Term of_cosh(const Term& x, const Term&) { return x.apply("Sinh"); }
Term of_asinh(const Term& x, const Term&) { return 1 / sqrt(x * x + 1); }
Term of_acosh(const Term& x, const Term&) { return 1 / (sqrt(x - 1) * sqrt(x + 1)); }
Term of_atanh(const Term& x, const Term&) { return 1 / (1 - x * x); }
Term of_erf(const Term& x, const Term&) { return 2 * std::numbers::inv_sqrtpi * exp(-(x * x)); }

void log_gradient(GradientContext& context) { context.set(0, grad(context) / input(context, 0)); }
void neg_gradient(GradientContext& context) { context.set(0, -grad(context)); }

void cast_gradient(GradientContext& context) {
  context.set(0, grad(context).cast(context.input(0)->dtype()));
}

// ---- Arithmetic -------------------------------------------------------------------------------------------

void add_gradient(GradientContext& context) {
  for (size_t i = 0; i < context.node().inputs().size(); ++i) context.set(i, context.grad());
}

void sub_gradient(GradientContext& context) {
  context.set(0, context.grad());
  if (context.wants(1)) context.set(1, -grad(context));
}

void mul_gradient(GradientContext& context) {
  Term dy = grad(context);
  if (context.wants(0)) context.set(0, dy * input(context, 1));
  if (context.wants(1)) context.set(1, dy * input(context, 0));
}

void div_gradient(GradientContext& context) {
  Term dx = grad(context) / input(context, 1);
  context.set(0, dx);
  if (context.wants(1)) context.set(1, -(dx * output(context)));
}

// The quotient that the remainder leaves out is constant by pieces.
void mod_gradient(GradientContext& context) {
  Term dy = grad(context);
  context.set(0, dy);
  if (!context.wants(1)) return;
  Term quotient = ((input(context, 0) - output(context)) / input(context, 1)).apply("Round");
  context.set(1, -(dy * quotient));
}

void mean_gradient(GradientContext& context) {
  size_t count = context.node().inputs().size();
  Term share = grad(context) / static_cast<double>(count);
  for (size_t i = 0; i < count; ++i) context.set(i, share);
}

// The exponent may be of another type. Where it is 0 the base has no influence, and where the base is 0 or
// negative the exponent's derivative counts as 0.
void pow_gradient(GradientContext& context) {
  Term x = input(context, 0);
  Term dy = grad(context);
  if (context.wants(0)) {
    Term e = input(context, 1).cast(x.dtype());
    context.set(0, where(equal(e, 0), 0, dy * e * pow(x, e - 1)));
  }
  if (context.wants(1)) {
    Term logarithm = where(x > 0, log(where(x > 0, x, 1)), 0);
    context.set(1, (dy * output(context) * logarithm).cast(context.input(1)->dtype()));
  }
}

// Inputs that equal the result share its cotangent.
void extremum_gradient(GradientContext& context) {
  Term dy = grad(context);
  Term y = output(context);
  std::vector<Value*> hits;
  for (size_t i = 0; i < context.node().inputs().size(); ++i) {
    hits.push_back(equal(input(context, i), y).cast(dy.dtype()));
  }
  Term share = dy / Term(context.builder(), context.builder().op("Sum", hits));
  for (size_t i = 0; i < hits.size(); ++i) {
    if (context.wants(i)) context.set(i, share * Term(context.builder(), hits[i]));
  }
}

// ---- Selection --------------------------------------------------------------------------------------------

void where_gradient(GradientContext& context) {
  Term condition = input(context, 0);
  Term dy = grad(context);
  if (context.wants(1)) context.set(1, where(condition, dy, 0));
  if (context.wants(2)) context.set(2, where(condition, 0, dy));
}

// Whether the result tells which elements were within the limits: these are known and do not cross.
bool shows_what_was_clipped(GradientContext& context) {
  const Value* low = context.input(1);
  const Value* high = context.input(2);
  auto is_known = [](const Value* limit) { return limit == nullptr || limit->is_constant(); };
  if (!is_known(low) || !is_known(high)) return false;
  return low == nullptr || high == nullptr || low->constant().get_double(0) < high->constant().get_double(0);
}

// y = min(max(x, low), high): the upper limit wins where they cross. Known limits have no influence of their
// own, and the result, which the next operator mostly keeps for itself, serves for the input: what equals a
// limit counts as clipped then, as a ReLU counts 0.
void clip_gradient(GradientContext& context) {
  if (shows_what_was_clipped(context)) {
    Term y = output(context);
    Term kept = grad(context);
    if (context.input(1) != nullptr) kept = where(y > input(context, 1), kept, 0);
    if (context.input(2) != nullptr) kept = where(input(context, 2) > y, kept, 0);
    return context.set(0, kept);
  }
  Term x = input(context, 0);
  Term dy = grad(context);
  Term below_high = dy;
  if (context.input(2) != nullptr) {
    Term high = input(context, 2);
    Term raised = context.input(1) == nullptr ? x : x.apply("Max", {context.input(1)});
    below_high = where(raised <= high, dy, 0);
    if (context.wants(2)) context.set(2, where(raised <= high, 0, dy));
  }
  if (context.input(1) == nullptr) return context.set(0, below_high);
  Term low = input(context, 1);
  context.set(0, where(x >= low, below_high, 0));
  if (context.wants(1)) context.set(1, where(x >= low, 0, below_high));
}

constexpr GradientRule kRules[] = {
    {"Exp", scaled<of_exp>},     {"Sqrt", scaled<of_sqrt>},   {"Reciprocal", scaled<of_reciprocal>},
    {"Abs", scaled<of_abs>},     {"Sin", scaled<of_sin>},     {"Cos", scaled<of_cos>},
    {"Tan", scaled<of_tan>},     {"Asin", scaled<of_asin>},   {"Acos", scaled<of_acos>},
    {"Atan", scaled<of_atan>},   {"Sinh", scaled<of_sinh>},   {"Cosh", scaled<of_cosh>},
    {"Asinh", scaled<of_asinh>}, {"Acosh", scaled<of_acosh>}, {"Atanh", scaled<of_atanh>},
    {"Erf", scaled<of_erf>},     {"Log", log_gradient},       {"Neg", neg_gradient},
    {"Cast", cast_gradient},     {"Ceil", no_gradient},       {"Floor", no_gradient},
    {"Round", no_gradient},      {"Sign", no_gradient},       {"Add", add_gradient},
    {"Sum", add_gradient},       {"Sub", sub_gradient},       {"Mul", mul_gradient},
    {"Div", div_gradient},       {"Mod", mod_gradient},       {"Mean", mean_gradient},
    {"Pow", pow_gradient},       {"Max", extremum_gradient},  {"Min", extremum_gradient},
    {"Where", where_gradient},   {"Clip", clip_gradient},
};

}  // namespace

std::span<const GradientRule> elementwise_gradients() { return kRules; }

}  // namespace dlc::ir
