// The quantised operators.
#include "ir/ops/quantization.h"

#include "ir/ops/families.h"

namespace dlc::ir {

void register_quantization(OpRegistry& registry) {
  register_quantize_linear(registry);
  register_quantized_products(registry);
}

}  // namespace dlc::ir
