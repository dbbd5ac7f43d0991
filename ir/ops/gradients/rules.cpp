#include "ir/ops/gradients/rules.h"

namespace dlc::ir {

Term adjoint(GradientContext& context, std::string_view op, std::vector<Value*> inputs) {
  Attributes attributes = context.node().attributes();
  std::vector<std::string> dims;
  for (const Dim& dim : context.input(0)->shape()) dims.push_back(dim.to_string());
  attributes["dims"] = std::move(dims);
  Builder& builder = context.builder();
  return {builder, builder.op_in("dlc", op, std::move(inputs), std::move(attributes))};
}

void attach_gradients(OpRegistry& registry) {
  constexpr std::span<const GradientRule> (*kFamilies[])() = {
      elementwise_gradients,    activation_gradients,   reduce_gradients,   matmul_gradients,
      shape_gradients,          movement_gradients,     indexing_gradients, softmax_gradients,
      normalization_gradients,  conv_gradients,         pool_gradients,     generator_gradients,
      attention_gradients,      control_flow_gradients, image_gradients,    signal_gradients,
      linear_algebra_gradients, quantization_gradients,
  };
  for (auto family : kFamilies) {
    for (const GradientRule& rule : family()) registry.set_gradient(rule.domain, rule.name, rule.rule);
  }
}

}  // namespace dlc::ir
