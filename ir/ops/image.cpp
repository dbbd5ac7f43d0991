#include "ir/ops/image.h"

#include "ir/ops/families.h"

namespace dlc::ir {

void register_image(OpRegistry& registry) {
  for (OpDef& op : resize_records()) registry.add(std::move(op));
}

}  // namespace dlc::ir
