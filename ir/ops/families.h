// One registration function a family of operators; each is defined in ir/ops/<family>.cpp.
#pragma once

#include "ir/op.h"

namespace dlc::ir {

void register_elementwise(OpRegistry& registry);
void register_activation(OpRegistry& registry);
void register_reduce(OpRegistry& registry);
void register_softmax(OpRegistry& registry);
void register_normalization(OpRegistry& registry);
void register_matmul(OpRegistry& registry);
void register_conv(OpRegistry& registry);
void register_pool(OpRegistry& registry);
void register_shape(OpRegistry& registry);
void register_movement(OpRegistry& registry);
void register_indexing(OpRegistry& registry);
void register_image(OpRegistry& registry);
void register_signal(OpRegistry& registry);
void register_generator(OpRegistry& registry);
void register_control_flow(OpRegistry& registry);
void register_recurrent(OpRegistry& registry);
void register_random(OpRegistry& registry);
void register_quantization(OpRegistry& registry);
void register_attention(OpRegistry& registry);
void register_contrib(OpRegistry& registry);
void register_block_product(OpRegistry& registry);
void register_contrib_array(OpRegistry& registry);
void register_linear_algebra(OpRegistry& registry);
void register_ml(OpRegistry& registry);
void register_training(OpRegistry& registry);
void register_values(OpRegistry& registry);
void register_internal(OpRegistry& registry);
void register_exchange(OpRegistry& registry);
void register_gradient_operator(OpRegistry& registry);

// After all families.
void attach_error_bounds(OpRegistry& registry);

}  // namespace dlc::ir
