// Matrix products: one orientation of constant weights, factors in the weights.
#include "ir/op.h"
#include "passes/rewrites/match.h"
#include "passes/rewrites/rules.h"
#include "passes/rewrites/weights.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Node;
using ir::Value;

// Constant weights are stored as [K, N].
bool orient_weights(Builder& builder, Node& node) {
  const Value* weights = node.input(1);
  if (is_off(node, "transB") || !weights->is_constant()) return false;
  node.set_input(1, builder.constant(transposed(weights->constant(), {1, 0})));
  node.set_attribute("transB", int64_t{0});
  return true;
}

Tensor times(const Tensor& tensor, double factor) {
  return scaled(tensor, std::span(&factor, 1), [](int64_t) { return 0; });
}

// alpha into constant weights, beta into a constant bias.
bool fold_factors(Builder& builder, Node& node) {
  bool changed = false;
  for (auto [name, input] : {std::pair("alpha", size_t{1}), std::pair("beta", size_t{2})}) {
    double factor = node.attribute<double>(name, 1);
    const Value* value = node.input(input);
    if (factor == 1 || value == nullptr || !value->is_constant() || !is_float(value->dtype())) continue;
    node.set_input(input, builder.constant(times(value->constant(), factor)));
    node.set_attribute(name, 1.0);
    changed = true;
  }
  return changed;
}

constexpr ir::Rule kRules[] = {
    {"orient_weights", "Gemm", orient_weights},
    {"fold_factors", "Gemm", fold_factors},
};

}  // namespace

ir::RuleTable matmul_rules() { return kRules; }

}  // namespace dlc::passes
