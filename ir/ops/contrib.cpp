#include "ir/ops/contrib.h"

#include "ir/ops/families.h"

namespace dlc::ir {

Value* range_of_axis(Builder& builder, Value* x, int64_t axis, const Dim& start, const Dim& end) {
  return builder.op("Slice", {x, builder.dims({start}), builder.dims({end}), builder.ints({axis})});
}

void register_contrib(OpRegistry& registry) {
  register_contrib_normalization(registry);
  register_contrib_attention(registry);
  register_contrib_group_query(registry);
  register_contrib_fused(registry);
  register_contrib_quantized(registry);
  register_contrib_qlinear(registry);
  register_contrib_qlinear_image(registry);
  register_contrib_integer(registry);
  register_contrib_lstm(registry);
  register_contrib_experts(registry);
}

}  // namespace dlc::ir
