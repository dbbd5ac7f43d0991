// What is quantized is constant by pieces; scales are not.
#include "ir/ops/gradients/rules.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/quantize.h"

namespace dlc::ir {
namespace {

// The cotangents of a scale's blocks along an axis as an axis of their own, behind it.
Term in_blocks(const Term& x, size_t axis, const Dim& blocks, int64_t block) {
  Builder& builder = x.builder();
  std::vector<Dim> pads(2 * x.shape().size());
  pads[x.shape().size() + axis] = blocks * Dim(block) - x.shape()[axis];
  Term whole = pads[x.shape().size() + axis] == Dim(0) ? x : x.apply("Pad", {builder.dims(pads)});
  Shape shape = x.shape();
  shape[axis] = blocks;
  shape.insert(shape.begin() + static_cast<ptrdiff_t>(axis) + 1, Dim(block));
  return reshape(whole, shape);
}

// y = (x - zero) * scale: the factor is what a scale of 1 gives.
void dequantize_gradient(GradientContext& context) {
  if (!context.wants(1)) return;
  Builder& builder = context.builder();
  const Node& node = context.node();
  const Term scale = input(context, 1);
  Value* ones = expand(scale.number(1), scale.shape());
  Term factor(builder,
              builder.op("DequantizeLinear", {context.input(0), ones, context.input(2)}, node.attributes()));
  Term share = (grad(context) * factor).cast(scale.dtype());
  const size_t rank = share.shape().size();
  const int64_t block = node.attribute<int64_t>("block_size", 0);
  std::vector<int64_t> summed = all_axes(static_cast<int64_t>(rank));
  if (block > 0 || !is_single(scale.shape())) {
    const size_t axis = rank == 1 && block == 0 ? 0 : axis_attribute(node, "axis", 1, rank);
    if (block > 0) {
      share = in_blocks(share, axis, scale.shape()[axis], block);
      summed = {static_cast<int64_t>(axis) + 1};
    } else {
      summed.erase(summed.begin() + static_cast<ptrdiff_t>(axis));
    }
  }
  if (!summed.empty()) share = sum(share, summed);
  context.set(1, reshape(share, scale.shape()));
}

constexpr GradientRule kRules[] = {{"DequantizeLinear", dequantize_gradient}};

}  // namespace

std::span<const GradientRule> quantization_gradients() { return kRules; }

}  // namespace dlc::ir
