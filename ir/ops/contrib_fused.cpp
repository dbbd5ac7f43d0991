// Operators of com.microsoft that are a standard operator and what follows it.
#include <cmath>

#include "ir/ops/contrib.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

// ---- Activations ------------------------------------------------------------------------------------------

// An attribute or, where `parameters` has it, an element of that list.
double parameter(const Node& node, const char* attribute, size_t index, double fallback) {
  const auto list = node.attribute<std::vector<double>>("activation_params", {});
  if (index < list.size()) return list[index];
  return node.attribute<double>(attribute, fallback);
}

Value* activated(Builder& b, const Node& node, Value* x) {
  const auto name = node.attribute<std::string>("activation", "");
  const auto alpha = [&](double fallback) { return parameter(node, "activation_alpha", 0, fallback); };
  const auto beta = [&](double fallback) { return parameter(node, "activation_beta", 1, fallback); };
  if (name.empty()) return x;
  if (name == "Relu" || name == "Tanh" || name == "Sigmoid") return b.op(name, {x});
  if (name == "LeakyRelu") return b.op(name, {x}, {{"alpha", alpha(0.01F)}});
  if (name == "HardSigmoid") return b.op(name, {x}, {{"alpha", alpha(0.2F)}, {"beta", beta(0.5F)}});
  if (name == "Clip") return b.op(name, {x, b.like(x, alpha(-HUGE_VAL)), b.like(x, beta(HUGE_VAL))});
  fail(ErrorKind::kModel,
       "attribute 'activation': expected Relu, Tanh, Sigmoid, LeakyRelu, HardSigmoid or Clip, found '{}'",
       name);
}

bool expand_activated(Builder& b, Node& node, const char* op, std::vector<Value*> inputs, Value* summand) {
  Attributes attributes;
  for (const auto& [name, value] : node.attributes()) {
    if (!name.starts_with("activation")) attributes.emplace(name, value);
  }
  while (inputs.back() == nullptr) inputs.pop_back();
  Value* result = b.op(op, std::move(inputs), std::move(attributes));
  if (summand != nullptr) result = b.add(result, summand);
  b.replace(node, 0, activated(b, node, result));
  return true;
}

// As the standard operator of the same inputs has it.
void infer_as(InferContext& context, const char* op) { OpRegistry::global().get("", op).infer(context); }

void infer_fused_gemm(InferContext& context) { infer_as(context, "Gemm"); }

bool expand_fused_gemm(Builder& b, Node& node) {
  return expand_activated(b, node, "Gemm", {node.input(0), node.input(1), node.input(2)}, nullptr);
}

void infer_fused_conv(InferContext& context) {
  infer_as(context, "Conv");
  if (context.has_input(3)) {
    require_broadcasts_to(context, context.shape(3), context.node().output()->shape(), "the summand");
  }
}

bool expand_fused_conv(Builder& b, Node& node) {
  return expand_activated(b, node, "Conv", {node.input(0), node.input(1), node.input(2)}, node.input(3));
}

// ---- Sums -------------------------------------------------------------------------------------------------

void infer_bias_add(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  for (size_t i : {size_t{1}, size_t{2}})
    require_broadcasts_to(context, context.shape(i), context.shape(0), "bias and skip");
  infer_same_as_input(context);
}

bool expand_bias_add(Builder& b, Node& node) {
  b.replace(node, 0, b.add(b.add(node.input(0), node.input(1)), node.input(2)));
  return true;
}

// The left half times the Gelu of the right half.
void infer_split_gelu(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  require_rank_at_least(context, 0, 1);
  require_broadcasts_to(context, context.shape(1), context.shape(0), "the bias");
  Shape shape = context.shape(0);
  if (shape.back().is_constant() && shape.back().value() % 2 != 0)
    context.fail("input 0: expected an even number of columns, found {}", shape.back().value());
  shape.back() = floor_div(shape.back(), 2);
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

bool expand_split_gelu(Builder& b, Node& node) {
  Value* sum = b.add(node.input(0), node.input(1));
  const Dim &all = sum->shape().back(), half = floor_div(all, 2);
  Value* gate = b.op("Gelu", {range_of_axis(b, sum, -1, half, all)});
  b.replace(node, 0, b.mul(range_of_axis(b, sum, -1, 0, half), gate));
  return true;
}

// ---- TransposeMatMul: an older name of FusedMatMul --------------------------------------------------------

void infer_transposed(InferContext& context) {
  OpRegistry::global().get(kContribDomain, "FusedMatMul").infer(context);
}

bool expand_transposed(Builder& b, Node& node) {
  b.replace(node, 0,
            b.op_in(kContribDomain, "FusedMatMul", {node.input(0), node.input(1)}, node.attributes()));
  return true;
}

}  // namespace

void register_contrib_fused(OpRegistry& registry) {
  const OpDef records[] = {
      {.name = "FusedGemm", .infer = infer_fused_gemm, .expand = expand_fused_gemm},
      {.name = "FusedConv", .infer = infer_fused_conv, .expand = expand_fused_conv},
      {.name = "BiasAdd", .infer = infer_bias_add, .expand = expand_bias_add},
      {.name = "BiasSplitGelu", .infer = infer_split_gelu, .expand = expand_split_gelu},
      {.name = "TransposeMatMul", .infer = infer_transposed, .expand = expand_transposed},
  };
  for (OpDef record : records) {
    record.domain = kContribDomain;
    registry.add(std::move(record));
  }
}

}  // namespace dlc::ir
