// Activation functions.
#include <cmath>
#include <numbers>

#include "ir/ops/gradients/rules.h"

namespace dlc::ir {
namespace {

// The cotangent of the argument.
using Rule = Term (*)(const Node& node, const Term& x, const Term& y, const Term& dy);

template <Rule kRule>
void unary(GradientContext& context) {
  context.set(0, kRule(context.node(), input(context, 0), output(context), grad(context)));
}

double number(const Node& node, std::string_view name, float fallback) {
  return node.attribute<double>(name, fallback);
}

Term relu(const Node&, const Term&, const Term& y, const Term& dy) { return where(y > 0, dy, 0); }

Term leaky_relu(const Node& node, const Term& x, const Term&, const Term& dy) {
  return where(x < 0, number(node, "alpha", 0.01F) * dy, dy);
}

Term elu(const Node& node, const Term& x, const Term& y, const Term& dy) {
  return where(x < 0, dy * (y + number(node, "alpha", 1.0F)), dy);
}

Term selu(const Node& node, const Term& x, const Term& y, const Term& dy) {
  double alpha = number(node, "alpha", 1.67326319217681884765625F);
  double gamma = number(node, "gamma", 1.05070102214813232421875F);
  return dy * where(x > 0, gamma, y + gamma * alpha);
}

Term celu(const Node& node, const Term& x, const Term&, const Term& dy) {
  return where(x < 0, dy * exp(x / number(node, "alpha", 1.0F)), dy);
}

Term logistic(const Node&, const Term&, const Term& y, const Term& dy) { return dy * (y * (1 - y)); }

Term hyperbolic_tangent(const Node&, const Term&, const Term& y, const Term& dy) { return dy * (1 - y * y); }

Term hard_sigmoid(const Node& node, const Term&, const Term& y, const Term& dy) {
  return where(y > 0 && y < 1, number(node, "alpha", 0.2F) * dy, 0);
}

Term hard_swish(const Node&, const Term& x, const Term&, const Term& dy) {
  Term middle = dy * (x / 3 + 0.5);
  return where(x < 3, where(x > -3, middle, 0), dy);
}

Term softplus(const Node&, const Term& x, const Term&, const Term& dy) { return dy * sigmoid(x); }

Term softsign(const Node&, const Term& x, const Term&, const Term& dy) {
  Term root = 1 + abs(x);
  return dy / (root * root);
}

Term thresholded_relu(const Node& node, const Term& x, const Term&, const Term& dy) {
  return where(x > number(node, "alpha", 1.0F), dy, 0);
}

Term mish(const Node&, const Term& x, const Term&, const Term& dy) {
  Term t = tanh(x.apply("Softplus"));
  return dy * (t + x * sigmoid(x) * (1 - t * t));
}

// x * P(x) with P the normal distribution, whose derivative is its density.
Term gelu_erf(const Term& x) {
  Term probability = 0.5 + 0.5 * (x * (1 / std::numbers::sqrt2)).apply("Erf");
  Term density = (std::numbers::inv_sqrtpi / std::numbers::sqrt2) * exp(-0.5 * (x * x));
  return probability + x * density;
}

Term gelu_tanh(const Term& x) {
  double scale = std::sqrt(2 / std::numbers::pi);
  Term t = tanh(x * (scale + scale * 0.044715 * (x * x)));
  Term inner = scale + 3 * scale * 0.044715 * (x * x);
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner;
}

Term gelu(const Node& node, const Term& x, const Term&, const Term& dy) {
  bool approximate = node.attribute<std::string>("approximate", "none") == "tanh";
  return dy * (approximate ? gelu_tanh(x) : gelu_erf(x));
}

// Of x * sigmoid(alpha * x).
Term swish_derivative(const Node& node, const Term& x) {
  double alpha = number(node, "alpha", 1.0F);
  Term s = sigmoid(alpha * x);
  return s + alpha * x * (s * (1 - s));
}

Term swish(const Node& node, const Term& x, const Term&, const Term& dy) {
  return dy * swish_derivative(node, x);
}

Term shrink(const Node& node, const Term& x, const Term&, const Term& dy) {
  return where(abs(x) > number(node, "lambd", 0.5F), dy, 0);
}

Term affine(const Node& node, const Term&, const Term&, const Term& dy) {
  return number(node, "alpha", 1.0F) * dy;
}

Term scaled_tanh(const Node& node, const Term& x, const Term&, const Term& dy) {
  double beta = number(node, "beta", 1.0F);
  Term t = tanh(beta * x);
  return number(node, "alpha", 1.0F) * beta * (dy * (1 - t * t));
}

Term parametric_softplus(const Node& node, const Term& x, const Term&, const Term& dy) {
  double beta = number(node, "beta", 1.0F);
  return number(node, "alpha", 1.0F) * beta * (dy * sigmoid(beta * x));
}

void prelu(GradientContext& context) {
  Term x = input(context, 0);
  Term dy = grad(context);
  if (context.wants(0)) context.set(0, where(x < 0, dy * input(context, 1), dy));
  if (context.wants(1)) context.set(1, where(x < 0, dy * x, 0));
}

void swiglu(GradientContext& context) {
  const Node& node = context.node();
  Term x = input(context, 0);
  Term dy = grad(context);
  if (context.wants(0)) context.set(0, dy * input(context, 1) * swish_derivative(node, x));
  if (context.wants(1)) context.set(1, dy * x * sigmoid(number(node, "alpha", 1.0F) * x));
}

constexpr GradientRule kRules[] = {
    {"Relu", unary<relu>},
    {"LeakyRelu", unary<leaky_relu>},
    {"PRelu", prelu},
    {"Elu", unary<elu>},
    {"Selu", unary<selu>},
    {"Celu", unary<celu>},
    {"Sigmoid", unary<logistic>},
    {"HardSigmoid", unary<hard_sigmoid>},
    {"HardSwish", unary<hard_swish>},
    {"Softplus", unary<softplus>},
    {"Softsign", unary<softsign>},
    {"Tanh", unary<hyperbolic_tangent>},
    {"ThresholdedRelu", unary<thresholded_relu>},
    {"Mish", unary<mish>},
    {"Gelu", unary<gelu>},
    {"Swish", unary<swish>},
    {"SwiGLU", swiglu},
    {"Shrink", unary<shrink>},
    {"Affine", unary<affine>},
    {"ScaledTanh", unary<scaled_tanh>},
    {"ParametricSoftplus", unary<parametric_softplus>},
};

}  // namespace

std::span<const GradientRule> activation_gradients() { return kRules; }

}  // namespace dlc::ir
