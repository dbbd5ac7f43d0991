// Softmax and LogSoftmax.
#include "ir/ops/gradients/rules.h"

namespace dlc::ir {
namespace {

std::vector<int64_t> row_axis(const GradientContext& context) {
  return {context.node().attribute<int64_t>("axis", -1)};
}

void softmax_gradient(GradientContext& context) {
  Term y = output(context);
  Term dy = grad(context);
  context.set(0, y * (dy - sum(dy * y, row_axis(context))));
}

void log_softmax_gradient(GradientContext& context) {
  Term dy = grad(context);
  context.set(0, dy - exp(output(context)) * sum(dy, row_axis(context)));
}

constexpr GradientRule kRules[] = {
    {"Softmax", softmax_gradient}, {"LogSoftmax", log_softmax_gradient}, {"Hardmax", no_gradient}};

}  // namespace

std::span<const GradientRule> softmax_gradients() { return kRules; }

}  // namespace dlc::ir
