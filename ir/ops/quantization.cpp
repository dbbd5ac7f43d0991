#include "ir/ops/families.h"

namespace dlc::ir {

void register_quantization(OpRegistry&) {}

}  // namespace dlc::ir
