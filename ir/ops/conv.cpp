// Conv as a contraction over input channels and window taps.
#include "ir/ops/conv_transpose.h"
#include "ir/ops/conv_weight_gradient.h"
#include "ir/ops/convolution.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

void infer_conv(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  Shape shape = infer_convolution(context, {});
  require_channels(context, 2, {}, "the bias is one an output channel");
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void lower_conv(LowerContext& context) {
  auto biased = [&](const Expr& sum, const Expr& channel) {
    return context.has_input(2) ? sum + cast(context.at_input(2, {channel}), sum.type()) : sum;
  };
  lower_convolution(context, {.result = biased});
}

}  // namespace

void register_conv(OpRegistry& registry) {
  registry.add({.name = "Conv", .infer = infer_conv, .lower = lower_conv});
  register_conv_weight_gradient(registry);
  registry.add(causal_conv_record());
  register_conv_transpose(registry);
}

}  // namespace dlc::ir
