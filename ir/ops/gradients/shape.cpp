// Operators that change extents and no element.
#include "ir/ops/gradients/rules.h"

namespace dlc::ir {
namespace {

void reshape_gradient(GradientContext& context) {
  context.set(0, reshape(grad(context), context.input(0)->shape()));
}

// The driver sums over what was repeated.
void pass_gradient(GradientContext& context) { context.set(0, context.grad()); }

constexpr GradientRule kRules[] = {
    {"Identity", pass_gradient},   {"Expand", pass_gradient},     {"Reshape", reshape_gradient},
    {"Flatten", reshape_gradient}, {"Squeeze", reshape_gradient}, {"Unsqueeze", reshape_gradient},
};

}  // namespace

std::span<const GradientRule> shape_gradients() { return kRules; }

}  // namespace dlc::ir
