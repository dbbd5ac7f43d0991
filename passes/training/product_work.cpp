#include "passes/training/product_work.h"

#include "ir/op.h"

namespace dlc::passes {
namespace {

double elements(const ir::Value& value) {
  double total = 1;
  for (int64_t extent : ir::static_shape(value.shape())) total *= static_cast<double>(extent);
  return total;
}

// Of how many products a result is the sum.
std::optional<double> depth_of(const ir::Node& node) {
  const std::string_view op = node.op().name;
  if (op == "Conv") {
    const ir::Value& weights = *node.input(1);
    return elements(weights) / static_cast<double>(weights.shape()[0].value());
  }
  const ir::Shape& a = node.input(0)->shape();
  if (op == "MatMul") return static_cast<double>(a.back().value());
  if (op == "Gemm") return static_cast<double>(a[node.attribute<int64_t>("transA", 0) != 0 ? 0 : 1].value());
  return std::nullopt;
}

}  // namespace

std::optional<double> multiplications(const ir::Node& node) {
  if (!node.op().domain.empty()) return std::nullopt;
  for (const ir::Value* value :
       {node.output(0), node.input(0), node.inputs().size() > 1 ? node.input(1) : nullptr}) {
    if (value == nullptr || !value->type().is_tensor() || !ir::is_static(value->shape())) return std::nullopt;
  }
  const std::optional<double> depth = depth_of(node);
  return depth ? std::optional(*depth * elements(*node.output(0))) : std::nullopt;
}

}  // namespace dlc::passes
