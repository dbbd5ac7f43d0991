// MoE of com.microsoft: a mixture of experts, of which a router chooses some for each token.
#include <limits>

#include "ir/ops/contrib.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

enum Input : size_t { kTokens, kRouter, kFirst, kFirstBias, kSecond, kSecondBias, kThird, kThirdBias };

bool is_gated(const Node& node) { return node.attribute<std::string>("activation_type", "relu") == "swiglu"; }
int64_t fusion_of(const Node& node) { return node.attribute<int64_t>("swiglu_fusion", 0); }

void check_attributes(const InferContext& context) {
  const Node& node = context.node();
  const auto activation = node.attribute<std::string>("activation_type", "relu");
  if (activation != "relu" && activation != "gelu" && activation != "silu" && activation != "identity" &&
      activation != "swiglu")
    context.fail("attribute 'activation_type': expected relu, gelu, silu, identity or swiglu, found '{}'",
                 activation);
  for (const char* name : {"use_sparse_mixer", "swiglu_limit_after_activation"}) {
    if (node.attribute<int64_t>(name, 0) != 0) context.fail("attribute '{}' is not supported", name);
  }
  const int64_t fusion = fusion_of(node);
  if (fusion < 0 || fusion > 2) context.fail("attribute 'swiglu_fusion': expected 0 to 2, found {}", fusion);
  const bool needs_third = is_gated(node) && fusion == 0;
  if (needs_third != context.has_input(kThird))
    context.fail("input 6 (fc3): expected with swiglu that is not fused, and with nothing else");
}

void infer_experts(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  check_attributes(context);
  require_rank_at_least(context, kTokens, 2);
  require_rank(context, kRouter, 2);
  const Dim &experts = context.shape(kRouter)[1], &hidden = context.shape(kTokens).back();
  for (size_t i : {kFirst, kSecond, kThird}) {
    if (!context.has_input(i)) continue;
    require_rank(context, i, 3);
    require_equal_extents(context, context.shape(i)[0], experts, "number of experts");
  }
  require_equal_extents(context, context.shape(kFirst)[2], hidden, "columns of the tokens");
  require_equal_extents(context, context.shape(kSecond)[1], hidden, "rows of fc2");
  for (auto [bias, weights] :
       {std::pair(kFirstBias, kFirst), std::pair(kSecondBias, kSecond), std::pair(kThirdBias, kThird)}) {
    if (!context.has_input(bias)) continue;
    if (!context.has_input(weights)) context.fail("input {}: a bias without weights", +bias);
    require_broadcasts_to(context, context.shape(bias), {experts, context.shape(weights)[1]}, "bias");
  }
  const auto k = context.node().attribute<int64_t>("k", 1);
  if (k < 1 || (experts.is_constant() && k > experts.value()))
    context.fail("attribute 'k': {} of {} experts", k, experts.to_string());
  infer_same_as_input(context);
}

class Experts {
 public:
  Experts(Builder& builder, const Node& node) : b_(builder), node_(node) {}

  Value* run() {
    const Shape& shape = node_.input(kTokens)->shape();
    const Dim& hidden = shape.back();
    tokens_ = node_.input(kRouter)->shape()[0];
    Value* x = b_.reshape(node_.input(kTokens), {1, tokens_, hidden});
    Value* inner = activated(layer(x, kFirst, kFirstBias), x);
    Value* results = layer(inner, kSecond, kSecondBias);  // [experts, tokens, hidden]
    Value* shares = b_.op("Unsqueeze", {b_.transpose(shares_of_experts(), {1, 0}), b_.ints({2})});
    return b_.reshape(b_.reduce("ReduceSum", b_.mul(results, shares), {0}, false), shape);
  }

 private:
  // Of each expert: [experts, tokens, rows of the weights].
  Value* layer(Value* x, size_t weights, size_t bias) {
    Value* result = b_.op("MatMul", {x, b_.transpose(node_.input(weights), {0, 2, 1})});
    if (node_.input(bias) == nullptr) return result;
    return b_.add(result, b_.op("Unsqueeze", {node_.input(bias), b_.ints({1})}));
  }

  Value* activated(Value* first, Value* x) {
    const auto activation = node_.attribute<std::string>("activation_type", "relu");
    if (activation == "relu") return b_.op("Relu", {first});
    if (activation == "gelu") return b_.op("Gelu", {first});
    if (activation == "silu") return b_.op("Swish", {first}, {{"alpha", 1.0}});
    if (activation == "identity") return first;
    return gated(first, x);
  }

  // gate * sigmoid(alpha * gate) * (linear + beta)
  Value* gated(Value* first, Value* x) {
    Value *gate = first, *linear = nullptr;
    const Dim &all = first->shape().back(), half = floor_div(all, 2);
    switch (fusion_of(node_)) {
      case 0:
        linear = layer(x, kThird, kThirdBias);
        break;
      case 1:  // side by side
        gate = b_.op("Slice", {first, b_.ints({0}), b_.dims({all}), b_.ints({2}), b_.ints({2})});
        linear = b_.op("Slice", {first, b_.ints({1}), b_.dims({all}), b_.ints({2}), b_.ints({2})});
        break;
      default:
        gate = range_of_axis(b_, first, 2, 0, half);
        linear = range_of_axis(b_, first, 2, half, all);
    }
    if (node_.has("swiglu_limit")) {
      const auto limit = node_.attribute<double>("swiglu_limit");
      gate = b_.op("Clip", {gate, nullptr, b_.like(gate, limit)});
      linear = b_.op("Clip", {linear, b_.like(linear, -limit), b_.like(linear, limit)});
    }
    const auto alpha = node_.attribute<double>("activation_alpha", 1.0);
    const auto beta = node_.attribute<double>("activation_beta", 0.0);
    return b_.mul(b_.op("Swish", {gate}, {{"alpha", alpha}}), b_.add(linear, b_.like(linear, beta)));
  }

  // [tokens, experts]: the weight of each expert's result, 0 where it is not chosen.
  Value* shares_of_experts() {
    Value* logits = node_.input(kRouter);
    const auto k = node_.attribute<int64_t>("k", 1);
    const bool normalizes = node_.attribute<int64_t>("normalize_routing_weights", 0) != 0;
    const std::vector<Value*> top = b_.op_n("TopK", 2, {logits, b_.ints({k})}, {{"axis", int64_t{-1}}});
    Value* scores = top[0];
    if (normalizes) {
      scores = b_.op("Softmax", {scores}, {{"axis", int64_t{-1}}});
    } else {
      Value* all = b_.op("Softmax", {logits}, {{"axis", int64_t{-1}}});
      scores = b_.op("GatherElements", {all, top[1]}, {{"axis", int64_t{1}}});
    }
    Value* none = b_.op("Expand", {b_.like(logits, 0), b_.dims(logits->shape())});
    return b_.op("ScatterElements", {none, top[1], scores}, {{"axis", int64_t{1}}});
  }

  Builder& b_;
  const Node& node_;
  Dim tokens_;
};

bool expand_experts(Builder& builder, Node& node) {
  builder.replace(node, 0, Experts(builder, node).run());
  return true;
}

}  // namespace

void register_contrib_experts(OpRegistry& registry) {
  registry.add({.domain = kContribDomain, .name = "MoE", .infer = infer_experts, .expand = expand_experts});
}

}  // namespace dlc::ir
