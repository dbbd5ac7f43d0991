// Matrix products: one orientation of constant weights, factors in the weights.
#include <algorithm>
#include <optional>

#include "ir/op.h"
#include "ir/ops/einsum.h"
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

// ---- Einsum of two operands that is a stack of products --------------------------------------------------

bool has(const ir::Labels& labels, ir::Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// Where each label lies among others, which hold them all once; nothing otherwise.
std::optional<std::vector<int64_t>> places(const ir::Labels& labels, const ir::Labels& among) {
  if (labels.size() != among.size()) return std::nullopt;
  std::vector<int64_t> result;
  for (const ir::Label label : labels) {
    if (std::count(among.begin(), among.end(), label) != 1) return std::nullopt;
    result.push_back(std::find(among.begin(), among.end(), label) - among.begin());
  }
  return result;
}

bool same_extents(const Node& node, const ir::Equation& equation) {
  for (size_t i = 0; i < 2; ++i) {
    for (size_t axis = 0; axis < equation.operands[i].size(); ++axis) {
      if (node.input(i)->shape()[axis] != equation.extents.at(equation.operands[i][axis])) return false;
    }
  }
  return true;
}

bool einsum_as_matmul(Builder& builder, Node& node) {
  if (node.inputs().size() != 2) return false;
  const ir::Equation equation = ir::equation_of(ir::InferContext(node));
  if (!same_extents(node, equation)) return false;
  const ir::Labels &a = equation.operands[0], &b = equation.operands[1];
  ir::Labels batch, m, n, k;
  for (const ir::Label label : equation.output) {
    if (has(a, label) && has(b, label)) batch.push_back(label);
    if (!has(b, label)) m.push_back(label);
    if (!has(a, label)) n.push_back(label);
  }
  for (const ir::Label label : a) {
    if (!has(equation.output, label)) k.push_back(label);
  }
  if (m.size() != 1 || n.size() != 1 || k.size() != 1) return false;
  auto stacked = [&](ir::Label row, ir::Label column) {
    ir::Labels labels = batch;
    labels.push_back(row);
    labels.push_back(column);
    return labels;
  };
  const auto a_perm = places(stacked(m[0], k[0]), a), b_perm = places(stacked(k[0], n[0]), b);
  const auto perm = places(equation.output, stacked(m[0], n[0]));
  if (!a_perm || !b_perm || !perm) return false;
  Value* product = builder.op(
      "MatMul", {builder.transpose(node.input(0), *a_perm), builder.transpose(node.input(1), *b_perm)});
  builder.replace(node, 0, builder.transpose(product, *perm));
  return true;
}

constexpr ir::Rule kRules[] = {
    {"einsum_as_matmul", "Einsum", einsum_as_matmul},
    {"orient_weights", "Gemm", orient_weights},
    {"fold_factors", "Gemm", fold_factors},
};

}  // namespace

ir::RuleTable matmul_rules() { return kRules; }

}  // namespace dlc::passes
