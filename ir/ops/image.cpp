#include "ir/ops/families.h"

namespace dlc::ir {

void register_image(OpRegistry&) {}

}  // namespace dlc::ir
