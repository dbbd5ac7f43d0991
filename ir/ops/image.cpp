#include "ir/ops/image.h"

#include "ir/ops/families.h"

namespace dlc::ir {

void register_image(OpRegistry& registry) {
  for (auto records :
       {resize_records, grid_sample_records, region_records, deform_conv_records, image_decoder_records}) {
    for (OpDef& op : records()) registry.add(std::move(op));
  }
  registry.add(col2im_record());
}

}  // namespace dlc::ir
