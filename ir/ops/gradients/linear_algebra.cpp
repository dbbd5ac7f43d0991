// Determinants and inverses.
#include "ir/ops/contrib.h"
#include "ir/ops/gradients/rules.h"

namespace dlc::ir {
namespace {

Term inverse(const Term& x) { return {x.builder(), x.builder().op_in(kContribDomain, "Inverse", {x})}; }

// Of matrices that have an inverse.
void det_gradient(GradientContext& context) {
  Term x = input(context, 0);
  Shape shape = output(context).shape();
  shape.insert(shape.end(), 2, 1);
  Term factor = reshape(grad(context) * output(context), shape);
  context.set(0, factor * transpose_matrices(inverse(x)));
}

void inverse_gradient(GradientContext& context) {
  Term y = transpose_matrices(output(context));
  context.set(0, -y.apply("MatMul", {grad(context).apply("MatMul", {y})}));
}

constexpr GradientRule kRules[] = {{"Det", det_gradient}, {"Inverse", inverse_gradient, "com.microsoft"}};

}  // namespace

std::span<const GradientRule> linear_algebra_gradients() { return kRules; }

}  // namespace dlc::ir
