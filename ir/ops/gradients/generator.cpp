// Range, and what is drawn at random.
#include "ir/ops/gradients/rules.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

// y[i] = start + i * delta; the limit only decides how many there are.
void range_gradient(GradientContext& context) {
  Term dy = grad(context);
  if (context.wants(0)) context.set(0, dy);
  if (!context.wants(2)) return;
  Term counter = range(context.builder(), dy.shape()[0]).cast(dy.dtype());
  context.set(2, dy * counter);
}

// Kept elements are scaled by 1 / (1 - ratio); the mask says which. The ratio and whether the node is in
// training count as constants.
void dropout_gradient(GradientContext& context) {
  if (context.grad() == nullptr) return;
  Term dy = grad(context);
  if (context.input(2) == nullptr) return context.set(0, dy);
  Term mask(context.builder(), context.ensure_output(1));
  Term ratio = dy.number(0.5);
  if (context.input(1) != nullptr) ratio = reshape(input(context, 1), {}).cast(dy.dtype());
  Term scale = where(reshape(input(context, 2), {}), 1 / (1 - ratio), 1);
  context.set(0, where(mask, dy * scale, 0));
}

constexpr GradientRule kRules[] = {
    {"Range", range_gradient},
    {"Dropout", dropout_gradient},
};

}  // namespace

std::span<const GradientRule> generator_gradients() { return kRules; }

}  // namespace dlc::ir
