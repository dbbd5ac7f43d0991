// Activation functions: element-wise, of one tensor and attributes.
#include <cmath>
#include <numbers>

#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

using Args = std::vector<Expr>;

// ---- Rules ------------------------------------------------------------------------------------------------

Expr number(const Expr& like, double value) { return constant(like.type(), value); }
Expr exp(const Expr& x) { return unary(ExprOp::kExp, x); }
Expr tanh(const Expr& x) { return unary(ExprOp::kTanh, x); }

Expr attribute(const Node& node, const Expr& like, std::string_view name, float fallback) {
  return number(like, node.attribute<double>(name, fallback));
}

Expr relu(const Node&, const Args& args) { return max(args[0], number(args[0], 0)); }

Expr leaky_relu(const Node& node, const Args& args) {
  const Expr& x = args[0];
  return select(x < number(x, 0), attribute(node, x, "alpha", 0.01F) * x, x);
}

Expr prelu(const Node&, const Args& args) {
  return select(args[0] < number(args[0], 0), args[1] * args[0], args[0]);
}

Expr elu(const Node& node, const Args& args) {
  const Expr& x = args[0];
  return select(x < number(x, 0), attribute(node, x, "alpha", 1.0F) * (exp(x) - number(x, 1)), x);
}

Expr selu(const Node& node, const Args& args) {
  const Expr& x = args[0];
  Expr alpha = attribute(node, x, "alpha", 1.67326319217681884765625F);
  Expr gamma = attribute(node, x, "gamma", 1.05070102214813232421875F);
  return gamma * select(x > number(x, 0), x, alpha * (exp(x) - number(x, 1)));
}

Expr celu(const Node& node, const Args& args) {
  const Expr& x = args[0];
  Expr alpha = attribute(node, x, "alpha", 1.0F);
  return select(x < number(x, 0), alpha * (exp(x / alpha) - number(x, 1)), x);
}

Expr logistic(const Node&, const Args& args) { return sigmoid(args[0]); }

Expr clamp01(const Expr& x) { return max(number(x, 0), min(number(x, 1), x)); }

Expr hard_sigmoid(const Node& node, const Args& args) {
  const Expr& x = args[0];
  return clamp01(attribute(node, x, "alpha", 0.2F) * x + attribute(node, x, "beta", 0.5F));
}

Expr hard_swish(const Node&, const Args& args) {
  const Expr& x = args[0];
  return x * clamp01(x * number(x, 1.0 / 6) + number(x, 0.5));
}

// log(1 + e^x) without overflow.
Expr softplus_of(const Expr& x) { return max(x, number(x, 0)) + log1p(exp(-unary(ExprOp::kAbs, x))); }

Expr softplus(const Node&, const Args& args) { return softplus_of(args[0]); }

Expr softsign(const Node&, const Args& args) {
  return args[0] / (number(args[0], 1) + unary(ExprOp::kAbs, args[0]));
}

Expr hyperbolic_tangent(const Node&, const Args& args) { return tanh(args[0]); }

Expr thresholded_relu(const Node& node, const Args& args) {
  const Expr& x = args[0];
  return select(x > attribute(node, x, "alpha", 1.0F), x, number(x, 0));
}

// x * tanh(log(1 + e^x)) with t = e^-|x|: the tangent is n / d with n = (1 + e^x)^2 - 1 and d = n + 2, both
// scaled by t^2 where x is positive.
Expr mish(const Node&, const Args& args) {
  const Expr& x = args[0];
  Expr t = exp(-unary(ExprOp::kAbs, x));
  Expr two = number(x, 2);
  Expr positive_n = number(x, 1) + two * t;
  Expr negative_n = t * (t + two);
  Expr positive = x >= number(x, 0);
  Expr n = select(positive, positive_n, negative_n);
  Expr d = select(positive, positive_n + two * t * t, negative_n + two);
  return x * (n / d);
}

Expr gelu_erf(const Expr& x) {
  return number(x, 0.5) * x * (number(x, 1) + unary(ExprOp::kErf, x * number(x, 1 / std::numbers::sqrt2)));
}

Expr gelu_tanh(const Expr& x) {
  double scale = std::sqrt(2 / std::numbers::pi);
  Expr inner = x * (number(x, scale) + number(x, scale * 0.044715) * x * x);
  return number(x, 0.5) * x * (number(x, 1) + tanh(inner));
}

Expr gelu(const Node& node, const Args& args) {
  bool approximate = node.attribute<std::string>("approximate", "none") == "tanh";
  return approximate ? gelu_tanh(args[0]) : gelu_erf(args[0]);
}

Expr swish(const Node& node, const Args& args) {
  const Expr& x = args[0];
  return x * sigmoid(attribute(node, x, "alpha", 1.0F) * x);
}

Expr swiglu(const Node& node, const Args& args) { return swish(node, args) * args[1]; }

// Integers are computed in double and truncated.
Expr shrink(const Node& node, const Args& args) {
  Expr x = is_float(args[0].type()) ? args[0] : cast(args[0], DType::kDouble);
  Expr limit = attribute(node, x, "lambd", 0.5F);
  Expr bias = attribute(node, x, "bias", 0.0F);
  return select(x < -limit, x + bias, select(x > limit, x - bias, number(x, 0)));
}

// ---- Operators that the standard dropped ------------------------------------------------------------------

Expr affine(const Node& node, const Args& args) {
  const Expr& x = args[0];
  return attribute(node, x, "alpha", 1.0F) * x + attribute(node, x, "beta", 0.0F);
}

Expr scaled_tanh(const Node& node, const Args& args) {
  const Expr& x = args[0];
  return attribute(node, x, "alpha", 1.0F) * tanh(attribute(node, x, "beta", 1.0F) * x);
}

Expr parametric_softplus(const Node& node, const Args& args) {
  const Expr& x = args[0];
  return attribute(node, x, "alpha", 1.0F) * softplus_of(attribute(node, x, "beta", 1.0F) * x);
}

// ---- Inference --------------------------------------------------------------------------------------------

void infer_prelu(InferContext& context) {
  require_same_types(context, TypeClass::kNumeric);
  require_broadcasts_to(context, context.shape(1), context.shape(0), "the slope");
  infer_same_as_input(context);
}

// Before version 7 the slopes are those of axis 1, or one of all.
void slopes_of_channels(Graph& graph, Node& node, int) {
  Value* shape = insert_op(graph, node, "Shape", {node.input(0)});
  Value* flat = insert_op(graph, node, "Reshape", {node.input(0), insert_ints(graph, {0, 0, -1})});
  Value* slopes = insert_op(graph, node, "Unsqueeze", {node.input(1), insert_ints(graph, {1})});
  Value* result = insert_op(graph, node, "PRelu", {flat, slopes});
  graph.replace_all_uses(node.output(0), insert_op(graph, node, "Reshape", {result, shape}));
  graph.erase(&node);
}

void infer_swiglu(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  require_rank(context, 1, context.rank(0));
  require_broadcasts_to(context, context.shape(1), context.shape(0), "input 1");
  infer_same_as_input(context);
}

void infer_gelu(InferContext& context) {
  auto form = context.node().attribute<std::string>("approximate", "none");
  if (form != "none" && form != "tanh") {
    context.fail("attribute 'approximate': expected none or tanh, found '{}'", form);
  }
  infer_same<TypeClass::kFloat>(context);
}

// ---- com.microsoft ----------------------------------------------------------------------------------------

void infer_biased(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  if (context.has_input(1)) require_broadcasts_to(context, context.shape(1), context.shape(0), "the bias");
  infer_same_as_input(context);
}

bool expand_gelu_of_sum(Builder& builder, Node& node, const char* approximate) {
  Value* x = node.input(0);
  if (node.input(1) != nullptr) x = builder.add(x, node.input(1));
  builder.replace(node, 0, builder.op("Gelu", {x}, {{"approximate", std::string(approximate)}}));
  return true;
}

bool expand_fast_gelu(Builder& builder, Node& node) { return expand_gelu_of_sum(builder, node, "tanh"); }
bool expand_bias_gelu(Builder& builder, Node& node) { return expand_gelu_of_sum(builder, node, "none"); }

bool expand_quick_gelu(Builder& builder, Node& node) {
  double alpha = node.attribute<double>("alpha", 1.702F);
  builder.replace(node, 0, builder.op("Swish", {node.input(0)}, {{"alpha", alpha}}));
  return true;
}

void register_microsoft(OpRegistry& registry) {
  constexpr const char* kDomain = "com.microsoft";
  registry.add({.domain = kDomain, .name = "FastGelu", .infer = infer_biased, .expand = expand_fast_gelu});
  registry.add({.domain = kDomain, .name = "BiasGelu", .infer = infer_biased, .expand = expand_bias_gelu});
  registry.add({.domain = kDomain, .name = "Gelu", .infer = infer_biased, .expand = expand_bias_gelu});
  registry.add({.domain = kDomain,
                .name = "QuickGelu",
                .infer = infer_same<TypeClass::kFloat>,
                .expand = expand_quick_gelu});
}

}  // namespace

void register_activation(OpRegistry& registry) {
  struct Row {
    const char* name;
    void (*lower)(LowerContext&);
    void (*infer)(InferContext&) = infer_same<TypeClass::kFloat>;
  };
  const Row rows[] = {
      {"Relu", lower_rule<relu>, infer_same<TypeClass::kNumeric>},
      {"LeakyRelu", lower_rule<leaky_relu>},
      {"Elu", lower_rule<elu>},
      {"Selu", lower_rule<selu>},
      {"Celu", lower_rule<celu>},
      {"Sigmoid", lower_rule<logistic>},
      {"HardSigmoid", lower_rule<hard_sigmoid>},
      {"HardSwish", lower_rule<hard_swish>},
      {"Softplus", lower_rule<softplus>},
      {"Softsign", lower_rule<softsign>},
      {"Tanh", lower_rule<hyperbolic_tangent>},
      {"ThresholdedRelu", lower_rule<thresholded_relu>},
      {"Mish", lower_rule<mish>},
      {"Gelu", lower_rule<gelu>, infer_gelu},
      {"Swish", lower_rule<swish>},
      {"SwiGLU", lower_rule<swiglu>, infer_swiglu},
      {"Shrink", lower_rule<shrink>, infer_same<TypeClass::kNumeric>},
      {"Affine", lower_rule<affine>},
      {"ScaledTanh", lower_rule<scaled_tanh>},
      {"ParametricSoftplus", lower_rule<parametric_softplus>},
  };
  for (const Row& row : rows) {
    registry.add({.name = row.name, .infer = row.infer, .lower = row.lower, .traits = Trait::kElementwise});
  }
  registry.add({.name = "PRelu",
                .infer = infer_prelu,
                .lower = lower_rule<prelu>,
                .upgrades = {{7, slopes_of_channels}},
                .traits = Trait::kElementwise});
  register_microsoft(registry);
}

}  // namespace dlc::ir
