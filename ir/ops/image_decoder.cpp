// ImageDecoder: a runtime kernel that loads a library of codecs.
#include "ir/ops/image.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

// As the kernel counts them.
int64_t color_of(const Node& node) {
  const auto format = node.attribute<std::string>("pixel_format", "RGB");
  if (format == "RGB") return 0;
  if (format == "BGR") return 1;
  if (format == "Grayscale") return 2;
  fail(ErrorKind::kModel, "pixel_format: expected RGB, BGR or Grayscale, found '{}'", format);
}

void infer_image_decoder(InferContext& context) {
  require_rank(context, 0, 1);
  if (context.dtype(0) != DType::kUint8)
    context.fail("input 0: expected u8, found {}", name(context.dtype(0)));
  const Dim channels = color_of(context.node()) == 2 ? 1 : 3;
  context.set_output(
      0, Type(DType::kUint8, {context.fresh_symbol("height"), context.fresh_symbol("width"), channels}));
}

void lower_image_decoder(LowerContext& context) {
  Call call{.symbol = "dlc_image_decoder",
            .inputs = {context.dense(context.input(0))},
            .outputs = {context.output()},
            .params = {integer(color_of(context.node()))}};
  for (size_t axis = 0; axis < 2; ++axis)
    call.bindings.push_back({0, axis, context.output_shape()[axis].symbol_name()});
  context.call(std::move(call));
}

}  // namespace

std::vector<OpDef> image_decoder_records() {
  return {{.name = "ImageDecoder",
           .infer = infer_image_decoder,
           .lower = lower_image_decoder,
           .note = "JPEG, JPEG 2000, PNG, BMP, TIFF, WebP and PNM, by libdlc_codecs"}};
}

}  // namespace dlc::ir
