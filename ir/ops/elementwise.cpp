#include "ir/ops/elementwise.h"

#include "ir/ops/families.h"

namespace dlc::ir {

void register_elementwise(OpRegistry& registry) {
  register_elementwise_unary(registry);
  register_elementwise_arithmetic(registry);
  register_elementwise_logic(registry);
  register_elementwise_select(registry);
  register_cast(registry);
}

}  // namespace dlc::ir
