#include "ir/ops/recurrent_activation.h"

#include <cctype>

#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

struct NamedFunction {
  std::string_view name;  // in lower case: files differ in theirs
  GateFunction function;
  // Defaults; a function without a parameter takes none from activation_alpha or activation_beta.
  std::optional<double> alpha = std::nullopt;
  std::optional<double> beta = std::nullopt;
};

const NamedFunction kFunctions[] = {
    {"relu", GateFunction::kRelu},
    {"tanh", GateFunction::kTanh},
    {"sigmoid", GateFunction::kSigmoid},
    {"affine", GateFunction::kAffine, 1.0, 0.0},
    {"leakyrelu", GateFunction::kLeakyRelu, 0.01F},
    {"thresholdedrelu", GateFunction::kThresholdedRelu, 1.0},
    {"scaledtanh", GateFunction::kScaledTanh, 1.0, 1.0},
    {"hardsigmoid", GateFunction::kHardSigmoid, 0.2F, 0.5},
    {"elu", GateFunction::kElu, 1.0},
    {"softsign", GateFunction::kSoftsign},
    {"softplus", GateFunction::kSoftplus},
};

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

const NamedFunction& find_function(const Node& node, const std::string& name) {
  std::string wanted = lower_case(name);
  for (const NamedFunction& function : kFunctions) {
    if (function.name == wanted) return function;
  }
  fail(ErrorKind::kModel, "{}: activations: '{}' is no activation function", node.describe(), name);
}

// Takes the parameter from the list of an attribute, whose values serve the functions in order.
double take(const std::optional<double>& fallback, const std::vector<double>& values, size_t& next) {
  if (!fallback) return 0;
  return next < values.size() ? values[next++] : *fallback;
}

Expr number(const Expr& like, double value) { return constant(like.type(), value); }

}  // namespace

std::vector<GateActivation> gate_activations(const Node& node, const std::vector<std::string>& defaults,
                                             size_t directions) {
  auto names = node.attribute<std::vector<std::string>>("activations", {});
  auto alphas = node.attribute<std::vector<double>>("activation_alpha", {});
  auto betas = node.attribute<std::vector<double>>("activation_beta", {});
  size_t count = defaults.size() * directions;
  if (!names.empty() && names.size() < count) {
    fail(ErrorKind::kModel, "{}: activations: expected {}, found {}", node.describe(), count, names.size());
  }
  std::vector<GateActivation> result;
  size_t next_alpha = 0;
  size_t next_beta = 0;
  for (size_t i = 0; i < count; ++i) {
    const NamedFunction& function =
        find_function(node, names.empty() ? defaults[i % defaults.size()] : names[i]);
    double alpha = take(function.alpha, alphas, next_alpha);
    result.push_back({function.function, alpha, take(function.beta, betas, next_beta)});
  }
  return result;
}

Expr apply(const GateActivation& activation, const Expr& x) {
  Expr zero = number(x, 0);
  Expr one = number(x, 1);
  Expr alpha = number(x, activation.alpha);
  Expr beta = number(x, activation.beta);
  Expr magnitude = unary(ExprOp::kAbs, x);
  switch (activation.function) {
    case GateFunction::kRelu:
      return max(x, zero);
    case GateFunction::kTanh:
      return unary(ExprOp::kTanh, x);
    case GateFunction::kSigmoid:
      return sigmoid(x);
    case GateFunction::kAffine:
      return alpha * x + beta;
    case GateFunction::kLeakyRelu:
      return select(x < zero, alpha * x, x);
    case GateFunction::kThresholdedRelu:
      return select(x >= alpha, x, zero);
    case GateFunction::kScaledTanh:
      return alpha * unary(ExprOp::kTanh, beta * x);
    case GateFunction::kHardSigmoid:
      return max(zero, min(one, alpha * x + beta));
    case GateFunction::kElu:
      return select(x < zero, alpha * (unary(ExprOp::kExp, x) - one), x);
    case GateFunction::kSoftsign:
      return x / (one + magnitude);
    case GateFunction::kSoftplus:
      return max(x, zero) + log1p(unary(ExprOp::kExp, -magnitude));
  }
  return {};
}

}  // namespace dlc::ir
