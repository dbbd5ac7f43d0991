#include "ir/ops/gradients/rules.h"

namespace dlc::ir {

void attach_gradients(OpRegistry& registry) {
  constexpr std::span<const GradientRule> (*kFamilies[])() = {
      elementwise_gradients,   activation_gradients,   reduce_gradients,   matmul_gradients,
      shape_gradients,         movement_gradients,     indexing_gradients, softmax_gradients,
      normalization_gradients, conv_gradients,         pool_gradients,     generator_gradients,
      attention_gradients,     control_flow_gradients,
  };
  for (auto family : kFamilies) {
    for (const GradientRule& rule : family()) registry.set_gradient(rule.domain, rule.name, rule.rule);
  }
}

}  // namespace dlc::ir
