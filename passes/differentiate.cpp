#include "passes/differentiate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ir/gradient.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

void check_loss(const ir::Value& loss) {
  bool is_number = is_float(loss.dtype()) && ir::product(loss.shape()) == ir::Dim(1);
  if (is_number) return;
  fail(ErrorKind::kModel, "the loss '{}': expected one floating-point number, found {}", loss.name(),
       to_string(loss.type()));
}

void check_parameters(std::span<ir::Value* const> parameters) {
  for (const ir::Value* parameter : parameters) {
    if (is_float(parameter->dtype())) continue;
    fail(ErrorKind::kModel, "parameter '{}': expected floating-point numbers, found {}", parameter->name(),
         to_string(parameter->type()));
  }
}

}  // namespace

std::vector<ir::Value*> differentiate(ir::Graph& graph, ir::Value* loss,
                                      std::span<ir::Value* const> parameters) {
  check_loss(*loss);
  check_parameters(parameters);
  ir::Builder builder(graph);
  ir::Value* one = builder.like(loss, 1);
  const ir::Cotangent seed{loss, loss->shape().empty() ? one : builder.reshape(one, loss->shape())};
  ir::GradientFaults faults;
  std::vector<ir::Value*> gradients = ir::pull_back(graph, {&seed, 1}, parameters, faults);
  if (faults.empty()) return gradients;
  fail(ErrorKind::kModel,
       "the loss depends on the trained parameters through {} node{} without a derivative; freeze the "
       "parameters before {}, or end the gradient there:\n  {}",
       faults.size(), faults.size() == 1 ? "" : "s", faults.size() == 1 ? "it" : "them",
       fmt::join(faults, "\n  "));
}

}  // namespace dlc::passes
