// Chains that are LayerNormalization, RMSNormalization or GroupNormalization.
#include <algorithm>

#include "ir/op.h"
#include "passes/rewrites/match.h"
#include "passes/rewrites/rules.h"
#include "passes/rewrites/weights.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Node;
using ir::Value;

// The first of the trailing axes over which a mean with kept axes runs; nothing for other means.
std::optional<int64_t> trailing_axis(const Node& mean) {
  std::optional<std::vector<int64_t>> axes = constant_ints(mean, 1);
  if (!axes || axes->empty() || mean.attribute<int64_t>("keepdims", 1) == 0) return std::nullopt;
  auto rank = static_cast<int64_t>(mean.input(0)->shape().size());
  for (int64_t& axis : *axes) axis = axis < 0 ? axis + rank : axis;
  std::sort(axes->begin(), axes->end());
  for (size_t i = 0; i < axes->size(); ++i) {
    if ((*axes)[i] != rank - static_cast<int64_t>(axes->size() - i)) return std::nullopt;
  }
  return axes->front();
}

// v / sqrt(mean(square) + epsilon)
struct Normalized {
  Value* v;
  Node* mean;
  double epsilon;
};

std::optional<Normalized> below_root(Value* v, const Value* radicand) {
  const Node* sum = producer(radicand, "Add");
  for (auto [square, constant] : both_orders(sum, "Add")) {
    Node* mean = producer(square, "ReduceMean");
    std::optional<double> epsilon = splat(constant);
    if (mean != nullptr && epsilon && *epsilon >= 0) return Normalized{v, mean, *epsilon};
  }
  return std::nullopt;
}

// v / root, where the root is Sqrt or Pow(., 0.5).
std::optional<Normalized> over_root(Value* v, const Value* root) {
  if (Node* sqrt = producer(root, "Sqrt")) return below_root(v, sqrt->input(0));
  Node* power = producer(root, "Pow");
  if (power != nullptr && is_splat(power->input(1), 0.5)) return below_root(v, power->input(0));
  return std::nullopt;
}

std::optional<Normalized> normalized(const Node& node) {
  if (is_op(node, "Div")) return over_root(node.input(0), node.input(1));
  for (auto [v, inverse] : both_orders(&node, "Mul")) {
    if (Node* reciprocal = producer(inverse, "Reciprocal")) {
      if (auto found = over_root(v, reciprocal->input(0))) return found;
    }
    Node* quotient = producer(inverse, "Div");
    if (quotient != nullptr && is_splat(quotient->input(0), 1)) {
      if (auto found = over_root(v, quotient->input(1))) return found;
    }
    Node* power = producer(inverse, "Pow");
    if (power != nullptr && is_splat(power->input(1), -0.5)) {
      if (auto found = below_root(v, power->input(0))) return found;
    }
  }
  return std::nullopt;
}

bool is_square_of(const Value* square, const Value* v) {
  if (Node* product = producer(square, "Mul")) return product->input(0) == v && product->input(1) == v;
  Node* power = producer(square, "Pow");
  return power != nullptr && power->input(0) == v && is_splat(power->input(1), 2);
}

// The x of x - mean(x) over the axes from `axis` on.
Value* centred(const Value* v, int64_t axis) {
  Node* difference = producer(v, "Sub");
  if (difference == nullptr) return nullptr;
  Node* mean = producer(difference->input(1), "ReduceMean");
  bool matches = mean != nullptr && mean->input(0) == difference->input(0) && trailing_axis(*mean) == axis;
  return matches ? difference->input(0) : nullptr;
}

ir::Shape trailing_shape(const Value* x, int64_t axis) {
  return ir::Shape(x->shape().begin() + static_cast<std::ptrdiff_t>(axis), x->shape().end());
}

Value* ones(Builder& builder, const Value* x, int64_t axis) {
  Tensor tensor(x->dtype(), ir::static_shape(trailing_shape(x, axis)));
  for (int64_t i = 0; i < tensor.size(); ++i) tensor.set_double(i, 1);
  return builder.constant(std::move(tensor));
}

// The operators accumulate in the type that the attribute names; a chain in double stays in double.
ir::Attributes attributes(const Value* x, int64_t axis, double epsilon) {
  DType stash = wide_type(x->dtype());
  return {{"axis", axis}, {"epsilon", epsilon}, {"stash_type", static_cast<int64_t>(stash)}};
}

bool raise(Builder& builder, Node& node) {
  std::optional<Normalized> found = normalized(node);
  if (!found || !is_square_of(found->mean->input(0), found->v)) return false;
  std::optional<int64_t> axis = trailing_axis(*found->mean);
  if (!axis || !is_float(found->v->dtype())) return false;
  Value* x = centred(found->v, *axis);
  const char* op = x == nullptr ? "RMSNormalization" : "LayerNormalization";
  if (x == nullptr) x = found->v;
  bool known = ir::OpRegistry::global().find("", op) != nullptr && ir::is_static(trailing_shape(x, *axis));
  if (!known) return false;
  Value* scale = ones(builder, x, *axis);
  builder.replace(node, 0, builder.op(op, {x, scale}, attributes(x, *axis, found->epsilon)));
  return true;
}

int64_t axis_of(const Node& normalization) {
  int64_t axis = normalization.attribute<int64_t>("axis", -1);
  return axis < 0 ? axis + static_cast<int64_t>(normalization.input(0)->shape().size()) : axis;
}

// A normalisation whose only used output is the first, used once.
Node* sole_normalization(const Value* value) {
  Node* node = sole_producer(value, "LayerNormalization");
  if (node == nullptr) node = sole_producer(value, "RMSNormalization");
  if (node == nullptr || value->output_index() != 0) return nullptr;
  for (size_t i = 1; i < node->outputs().size(); ++i) {
    if (node->output(i) != nullptr && node->output(i)->has_uses()) return nullptr;
  }
  return node;
}

bool absorb_scale(Builder& builder, Node& node) {
  for (auto [value, scale] : both_orders(&node, "Mul")) {
    Node* normalization = sole_normalization(value);
    if (normalization == nullptr || normalization->input(2) != nullptr) continue;
    const Value* x = normalization->input(0);
    if (!is_splat(normalization->input(1), 1)) continue;
    if (scale->shape() != trailing_shape(x, axis_of(*normalization)) || scale->dtype() != x->dtype())
      continue;
    builder.replace(
        node, 0,
        builder.op(normalization->op().name, {normalization->input(0), scale}, normalization->attributes()));
    return true;
  }
  return false;
}

bool absorb_shift(Builder& builder, Node& node) {
  for (auto [value, shift] : both_orders(&node, "Add")) {
    Node* normalization = sole_normalization(value);
    if (normalization == nullptr || normalization->input(2) != nullptr) continue;
    if (!is_op(*normalization, "LayerNormalization")) continue;
    const Value* x = normalization->input(0);
    if (shift->shape() != trailing_shape(x, axis_of(*normalization)) || shift->dtype() != x->dtype())
      continue;
    builder.replace(
        node, 0,
        builder.op("LayerNormalization", {normalization->input(0), normalization->input(1), shift},
                   normalization->attributes()));
    return true;
  }
  return false;
}

// A parameter of each group, repeated for the group's channels.
Value* for_channels(Builder& builder, const Value* of_groups, int64_t channels_of_group) {
  std::vector<double> values;
  for (double value : doubles(of_groups->constant()))
    values.insert(values.end(), static_cast<size_t>(channels_of_group), value);
  return builder.constant(vector_of(of_groups->dtype(), values));
}

// Reshape(InstanceNormalization(Reshape(x, [n, groups, -1]))) back to the shape of x.
bool raise_group(Builder& builder, Node& node) {
  Node* norm = sole_producer(node.input(0), "InstanceNormalization");
  Node* split = norm == nullptr ? nullptr : producer(norm->input(0), "Reshape");
  if (split == nullptr || !norm->input(1)->is_constant() || !norm->input(2)->is_constant()) return false;
  Value* x = split->input(0);
  const ir::Shape& shape = x->shape();
  const ir::Shape& rows = norm->input(0)->shape();
  if (shape.size() < 3 || rows.size() != 3 || shape != node.output()->shape() || shape[0] != rows[0])
    return false;
  if (!shape[1].is_constant() || !rows[1].is_constant() || rows[1].value() < 1) return false;
  if (shape[1].value() % rows[1].value() != 0) return false;
  const int64_t channels = shape[1].value() / rows[1].value();
  Value* result = builder.op(
      "GroupNormalization",
      {x, for_channels(builder, norm->input(1), channels), for_channels(builder, norm->input(2), channels)},
      {{"num_groups", rows[1].value()}, {"epsilon", norm->attribute<double>("epsilon", 1e-5F)}});
  builder.replace(node, 0, result);
  return true;
}

constexpr ir::Rule kRules[] = {
    {"raise_group_normalization", "Reshape", raise_group},
    {"raise_normalization", "Div", raise},
    {"raise_normalization", "Mul", raise},
    {"absorb_normalization_scale", "Mul", absorb_scale},
    {"absorb_normalization_shift", "Add", absorb_shift},
};

}  // namespace

ir::RuleTable normalization_rules() { return kRules; }

}  // namespace dlc::passes
