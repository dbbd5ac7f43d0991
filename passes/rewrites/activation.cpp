// Products that are activations: Gelu, Swish, HardSwish, Mish.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "ir/op.h"
#include "passes/rewrites/match.h"
#include "passes/rewrites/rules.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Node;
using ir::Value;

constexpr int kMaxDepth = 4;

// A product as a constant times values, whatever the order of the multiplications.
struct Product {
  double constant = 1;
  std::vector<Value*> values;
};

void collect(Value* value, int depth, Product& product);

void collect_operands(const Node& node, int depth, Product& product) {
  bool divides = is_op(node, "Div");
  for (size_t i = 0; i < 2; ++i) {
    std::optional<double> constant = splat(node.input(i));
    if (constant) {
      product.constant = divides && i == 1 ? product.constant / *constant : product.constant * *constant;
    } else {
      collect(node.input(i), depth, product);
    }
  }
}

bool is_product(const Node& node) {
  return is_op(node, "Mul") || (is_op(node, "Div") && splat(node.input(1)).has_value());
}

// A factor that others use too is a value of its own.
void collect(Value* value, int depth, Product& product) {
  Node* node = value->producer();
  if (node == nullptr || depth >= kMaxDepth || !has_one_use(value) || !is_product(*node)) {
    product.values.push_back(value);
  } else {
    collect_operands(*node, depth + 1, product);
  }
}

Product factors(const Node& node) {
  Product result;
  collect_operands(node, 0, result);
  return result;
}

Product factors(Value* value) {
  Product result;
  Node* node = value->producer();
  if (node != nullptr && is_product(*node)) {
    collect_operands(*node, 0, result);
  } else {
    result.values.push_back(value);
  }
  return result;
}

bool near(double found, double expected) { return std::abs(found - expected) <= 5e-4 * std::abs(expected); }

// The value is c * x^power with c near `constant`. A power is written as a product, x * x counted twice,
// where it may be shared with nobody.
bool is_monomial(Value* value, double constant, const Value* x, size_t power) {
  Product product = factors(value);
  bool all_x = std::all_of(product.values.begin(), product.values.end(), [&](Value* v) { return v == x; });
  return all_x && product.values.size() == power && near(product.constant, constant);
}

// The v of 1 + v.
Value* beside_one(const Value* value) {
  Node* sum = producer(value, "Add");
  return sum == nullptr ? nullptr : beside_splat(*sum, 1);
}

// sqrt(2/pi) * (x + 0.044715 x^3), or sqrt(2/pi) * x * (1 + 0.044715 x^2)
bool is_tanh_argument(Value* value, const Value* x) {
  constexpr double kCubic = 0.044715;
  Product product = factors(value);
  if (!near(product.constant, std::sqrt(2 / std::numbers::pi))) return false;
  if (product.values.size() == 1) {
    for (auto [a, b] : both_orders(product.values[0]->producer(), "Add")) {
      if (a == x && is_monomial(b, kCubic, x, 3)) return true;
    }
    return false;
  }
  if (product.values.size() != 2) return false;
  for (size_t i = 0; i < 2; ++i) {
    Value* square = beside_one(product.values[1 - i]);
    if (product.values[i] == x && square != nullptr && is_monomial(square, kCubic, x, 2)) return true;
  }
  return false;
}

bool finish(Builder& builder, Node& node, const char* op, Value* x, ir::Attributes attributes = {}) {
  if (ir::OpRegistry::global().find("", op) == nullptr || !same_shape(x, node.output())) return false;
  builder.replace(node, 0, builder.op(op, {x}, std::move(attributes)));
  return true;
}

// 0.5 * x * (1 + erf(x / sqrt(2))), 0.5 * x * (1 + tanh(...))
bool raise_gelu(Builder& builder, Node& node) {
  Product product = factors(node);
  if (product.values.size() != 2 || !near(product.constant, 0.5)) return false;
  for (size_t i = 0; i < 2; ++i) {
    Value* x = product.values[i];
    Value* bent = beside_one(product.values[1 - i]);
    if (Node* erf = producer(bent, "Erf")) {
      if (is_monomial(erf->input(0), std::numbers::sqrt2 / 2, x, 1)) return finish(builder, node, "Gelu", x);
    }
    if (Node* tanh = producer(bent, "Tanh")) {
      if (!is_tanh_argument(tanh->input(0), x)) continue;
      return finish(builder, node, "Gelu", x, {{"approximate", std::string("tanh")}});
    }
  }
  return false;
}

// x * sigmoid(alpha * x)
bool raise_swish(Builder& builder, Node& node) {
  for (auto [x, gate] : both_orders(&node, "Mul")) {
    Node* sigmoid = sole_producer(gate, "Sigmoid");
    if (sigmoid == nullptr) continue;
    Product argument = factors(sigmoid->input(0));
    if (sigmoid->input(0) == x) argument = {1, {x}};
    if (argument.values.size() != 1 || argument.values[0] != x) continue;
    return finish(builder, node, "Swish", x, {{"alpha", argument.constant}});
  }
  return false;
}

// The x of clip(x + 3, 0, 6).
Value* inside_relu6(const Value* value) {
  Node* clip = producer(value, "Clip");
  if (clip == nullptr || !is_splat(clip->input(1), 0) || !is_splat(clip->input(2), 6)) return nullptr;
  Node* sum = producer(clip->input(0), "Add");
  return sum == nullptr ? nullptr : beside_splat(*sum, 3);
}

bool is_hard_sigmoid(const Value* value, const Value* x) {
  Node* node = producer(value, "HardSigmoid");
  return node != nullptr && node->input(0) == x && near(node->attribute<double>("alpha", 0.2), 1.0 / 6) &&
         near(node->attribute<double>("beta", 0.5), 0.5);
}

// x * hard_sigmoid(x), x * clip(x + 3, 0, 6) / 6
bool raise_hard_swish(Builder& builder, Node& node) {
  Product product = factors(node);
  if (product.values.size() != 2) return false;
  for (size_t i = 0; i < 2; ++i) {
    Value* x = product.values[i];
    Value* gate = product.values[1 - i];
    bool matches = (near(product.constant, 1) && is_hard_sigmoid(gate, x)) ||
                   (near(product.constant, 1.0 / 6) && inside_relu6(gate) == x);
    if (matches) return finish(builder, node, "HardSwish", x);
  }
  return false;
}

// x * tanh(softplus(x))
bool raise_mish(Builder& builder, Node& node) {
  for (auto [x, gate] : both_orders(&node, "Mul")) {
    Node* tanh = producer(gate, "Tanh");
    Node* softplus = tanh == nullptr ? nullptr : producer(tanh->input(0), "Softplus");
    if (softplus != nullptr && softplus->input(0) == x) return finish(builder, node, "Mish", x);
  }
  return false;
}

constexpr ir::Rule kRules[] = {
    {"raise_gelu", "Mul", raise_gelu},
    {"raise_swish", "Mul", raise_swish},
    {"raise_hard_swish", "Mul", raise_hard_swish},
    {"raise_hard_swish", "Div", raise_hard_swish},
    {"raise_mish", "Mul", raise_mish},
};

}  // namespace

ir::RuleTable activation_rules() { return kRules; }

}  // namespace dlc::passes
