// QLinear operators of com.microsoft on images, whose channels may come behind the spatial axes: pools, and
// QLinearConv.
#include "ir/ops/channels_last.h"
#include "ir/ops/contrib.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/qlinear.h"
#include "ir/ops/quantize.h"
#include "ir/ops/window.h"

namespace dlc::ir {
namespace {

bool has_channels_last(const Node& node) { return node.attribute<int64_t>("channels_last", 0) != 0; }

Attributes standard_attributes(const Node& node) {
  Attributes attributes = node.attributes();
  attributes.erase("channels_last");
  return attributes;
}

// ---- Pools ------------------------------------------------------------------------------------------------

constexpr size_t kX = 0, kY = 3;

void infer_average(InferContext& context) {
  check_operand(context, kX);
  check_result(context, kY, context.dtype(kX));
  context.set_output(0, Type(context.dtype(kX), infer_pooled(context, has_channels_last(context.node()))));
}

void infer_global_average(InferContext& context) {
  check_operand(context, kX);
  check_result(context, kY, context.dtype(kX));
  require_rank_at_least(context, kX, 3);
  const Shape& shape = context.shape(kX);
  const size_t channels = has_channels_last(context.node()) ? shape.size() - 1 : 1;
  Shape result(shape.size(), Dim(1));
  result[0] = shape[0];
  result[channels] = shape[channels];
  context.set_output(0, Type(context.dtype(kX), std::move(result)));
}

// Of numbers less the zero point, so that sums are exact.
bool expand_average(Builder& b, Node& node) {
  const bool last = has_channels_last(node);
  Value* x = b.cast(centered(b, node, kX), DType::kFloat);
  Value* mean = b.op("AveragePool", {last ? channels_to_front(b, x) : x}, standard_attributes(node));
  Value* multiples = b.mul(mean, b.div(parameter(b, node, kX + 1), parameter(b, node, kY)));
  Value* bytes = rounded_with_zero_point(b, node, multiples, kY, node.output()->dtype());
  b.replace(node, 0, last ? channels_to_back(b, bytes) : bytes);
  return true;
}

bool expand_global_average(Builder& b, Node& node) {
  const Shape& shape = node.input(kX)->shape();
  std::vector<int64_t> axes;
  for (size_t axis = 0; axis + 2 < shape.size(); ++axis)
    axes.push_back(static_cast<int64_t>(axis) + (has_channels_last(node) ? 1 : 2));
  Dim count = 1;
  for (int64_t axis : axes) count *= shape[static_cast<size_t>(axis)];
  Value* sum = b.cast(b.reduce("ReduceSum", centered(b, node, kX), axes, true), DType::kFloat);
  Value* divisor = b.mul(parameter(b, node, kY), b.cast(b.reshape(b.dims({count}), {}), DType::kFloat));
  Value* multiples = b.mul(sum, b.div(parameter(b, node, kX + 1), divisor));
  Value* zero = parameter(b, node, kY + 1);
  if (zero == nullptr) zero = b.scalar(node.output()->dtype(), 0);
  b.replace(node, 0, b.op("QuantizeLinear", {multiples, b.like(multiples, 1), zero}));
  return true;
}

// ---- QLinearConv: of the standard, of images with the channels last --------------------------------------

enum Conv : size_t { kData = 0, kWeights = 3, kResultScale = 6, kBias = 8 };

void infer_conv(InferContext& context) {
  if (!has_channels_last(context.node())) return OpRegistry::global().get("", "QLinearConv").infer(context);
  check_operand(context, kData);
  require_bytes(context, kWeights);
  require_bytes(context, kResultScale + 1);
  require_rank_at_least(context, kData, 3);
  require_rank(context, kWeights, context.rank(kData));
  const Shape &x = context.shape(kData), &w = context.shape(kWeights);
  check_window_attributes(context, x.size() - 2);
  const std::vector<WindowAxis> windows =
      windows_of(context.node(), spatial_axes(with_channels_first(x)), spatial_axes(w));
  check_window_extents(context, windows);
  Shape shape = {x[0], w[0]};
  for (const WindowAxis& window : windows) shape.push_back(window.output);
  context.set_output(0, Type(context.dtype(kResultScale + 1), with_channels_last(std::move(shape))));
}

bool expand_conv(Builder& b, Node& node) {
  std::vector<Value*> inputs(node.inputs().begin(), node.inputs().end());
  const bool last = has_channels_last(node);
  if (last) inputs[kData] = channels_to_front(b, inputs[kData]);
  Value* y = b.op("QLinearConv", std::move(inputs), standard_attributes(node));
  b.replace(node, 0, last ? channels_to_back(b, y) : y);
  return true;
}

}  // namespace

void register_contrib_qlinear_image(OpRegistry& registry) {
  const OpDef records[] = {
      {.name = "QLinearAveragePool", .infer = infer_average, .expand = expand_average},
      {.name = "QLinearGlobalAveragePool", .infer = infer_global_average, .expand = expand_global_average},
      {.name = "QLinearConv", .infer = infer_conv, .expand = expand_conv},
  };
  for (OpDef record : records) {
    record.domain = kContribDomain;
    registry.add(std::move(record));
  }
}

}  // namespace dlc::ir
