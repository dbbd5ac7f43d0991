// MaxUnpool: the elements that a MaxPool has kept, back in their places.
#include "ir/ops/unpool.h"
#include "ir/builder.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/window.h"

namespace dlc::ir {
namespace {

// The smallest input that a pool with these windows makes the node's input of.
Shape pooled_from(const Node& node) {
  const Shape& shape = node.input(0)->shape();
  const Shape kernel = kernel_attribute(node);
  const size_t axes = shape.size() - 2;
  const std::vector<int64_t> strides = per_axis(node, "strides", axes, 1),
                             pads = per_axis(node, "pads", 2 * axes, 0);
  Shape result{shape[0], shape[1]};
  for (size_t i = 0; i < axes; ++i)
    result.push_back((shape[i + 2] - Dim(1)) * Dim(strides[i]) + kernel[i] - Dim(pads[i] + pads[i + axes]));
  return result;
}

void infer_max_unpool(InferContext& context) {
  require_type(context, 0, TypeClass::kFloat);
  require_rank_at_least(context, 0, 3);
  require_rank(context, 1, context.rank(0));
  const size_t axes = context.shape(0).size() - 2;
  if (kernel_attribute(context.node()).empty()) context.fail("attribute 'kernel_shape' is empty");
  check_window_attributes(context, axes);
  for (size_t i = 0; i < axes + 2; ++i)
    require_equal_extents(context, context.shape(1)[i], context.shape(0)[i], "values and indices");
  Shape shape = pooled_from(context.node());
  if (context.has_input(2)) {
    require_rank(context, 2, 1);
    require_equal_extents(context, context.shape(2)[0], Dim(context.rank(0)), "elements of output_shape");
    const auto known = context.shape_value(2);
    for (size_t i = 0; i < shape.size(); ++i) shape[i] = known ? (*known)[i] : context.fresh_symbol("unpool");
  }
  for (const Dim& extent : shape) {
    if (extent.is_constant() && extent.value() < 0)
      context.fail("the output would have an extent of {}", extent.value());
  }
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// Indices count the elements of the smallest input that there was; a greater output has zeros behind it.
bool expand_max_unpool(Builder& builder, Node& node) {
  const Shape smallest = pooled_from(node);
  const auto flat = [&](Value* value) { return builder.reshape(value, {product(value->shape())}); };
  Value* zeros = builder.op("Expand", {builder.like(node.input(0), 0), builder.dims({product(smallest)})});
  Value* result = builder.op("ScatterElements", {zeros, flat(node.input(1)), flat(node.input(0))});
  result = builder.reshape(result, smallest);
  if (node.input(2) != nullptr) {
    Value* missing = builder.sub(node.input(2), builder.dims(smallest));
    Value* none = builder.ints(std::vector<int64_t>(smallest.size(), 0));
    result = builder.op("Pad", {result, builder.op("Concat", {none, missing}, {{"axis", int64_t{0}}})});
  }
  builder.replace(node, 0, result);
  return true;
}

}  // namespace

void register_max_unpool(OpRegistry& registry) {
  registry.add({.name = "MaxUnpool", .infer = infer_max_unpool, .expand = expand_max_unpool});
}

}  // namespace dlc::ir
