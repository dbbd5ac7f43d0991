#include "passes/rewrites/match.h"

#include <algorithm>
#include <cmath>

#include "ir/op.h"

namespace dlc::passes {
namespace {

constexpr int64_t kMaxSplatElements = 4096;

// Half a unit in the last place of the type's significand, relative, with room for exporters' own rounding.
double tolerance(DType type) {
  switch (type) {
    case DType::kFloat16:
      return 1e-3;
    case DType::kBfloat16:
      return 8e-3;
    default:
      return 2e-6;
  }
}

}  // namespace

bool is_op(const ir::Node& node, std::string_view name) {
  return node.op().domain.empty() && node.op().name == name;
}

ir::Node* producer(const ir::Value* value, std::string_view op) {
  if (value == nullptr || value->producer() == nullptr || !is_op(*value->producer(), op)) return nullptr;
  return value->producer();
}

bool has_one_use(const ir::Value* value) { return value->uses().size() == 1 && !value->is_graph_output(); }

ir::Node* sole_producer(const ir::Value* value, std::string_view op) {
  ir::Node* node = producer(value, op);
  return node != nullptr && has_one_use(value) ? node : nullptr;
}

std::optional<double> splat(const ir::Value* value) {
  if (value == nullptr || !value->is_constant()) return std::nullopt;
  const Tensor& tensor = value->constant();
  bool is_number = is_float(tensor.dtype()) || is_integer(tensor.dtype()) || tensor.dtype() == DType::kBool;
  if (!is_number || tensor.size() == 0 || tensor.size() > kMaxSplatElements) return std::nullopt;
  double first = tensor.get_double(0);
  for (int64_t i = 1; i < tensor.size(); ++i) {
    if (tensor.get_double(i) != first) return std::nullopt;
  }
  return first;
}

bool is_splat(const ir::Value* value, double expected) {
  std::optional<double> found = splat(value);
  if (!found) return false;
  if (!is_float(value->dtype())) return *found == expected;
  return std::abs(*found - expected) <= tolerance(value->dtype()) * std::abs(expected);
}

ir::Value* other(const ir::Node& node, const ir::Value* input) {
  if (node.inputs().size() != 2) return nullptr;
  if (node.input(0) == input) return node.input(1);
  return node.input(1) == input ? node.input(0) : nullptr;
}

ir::Value* beside_splat(const ir::Node& node, double expected) {
  if (node.inputs().size() != 2) return nullptr;
  if (is_splat(node.input(1), expected)) return node.input(0);
  return is_splat(node.input(0), expected) ? node.input(1) : nullptr;
}

std::vector<Pair> both_orders(const ir::Node* node, std::string_view op) {
  if (node == nullptr || !is_op(*node, op) || node->inputs().size() != 2) return {};
  return {{node->input(0), node->input(1)}, {node->input(1), node->input(0)}};
}

std::optional<std::vector<int64_t>> constant_ints(const ir::Node& node, size_t input) {
  const ir::Value* value = node.input(input);
  if (value == nullptr || !value->is_constant() || !is_integer(value->dtype())) return std::nullopt;
  return value->constant().to_ints();
}

bool is_off(const ir::Node& node, std::string_view attribute) {
  return node.attribute<int64_t>(attribute, 0) == 0;
}

bool is_over_last_axis(const ir::Node& node) {
  const auto axis = node.attribute<int64_t>("axis", -1);
  return axis == -1 || axis == static_cast<int64_t>(node.input(0)->shape().size()) - 1;
}

bool same_shape(const ir::Value* a, const ir::Value* b) { return a->shape() == b->shape(); }

std::optional<std::vector<double>> along_axis(const ir::Value* value, size_t axis, size_t rank,
                                              int64_t extent) {
  if (value == nullptr || !value->is_constant() || !is_float(value->dtype())) return std::nullopt;
  const Tensor& tensor = value->constant();
  size_t own_rank = tensor.shape().size();
  if (own_rank > rank) return std::nullopt;
  for (size_t i = 0; i < own_rank; ++i) {
    bool is_axis = i + rank - own_rank == axis;
    if (tensor.shape()[i] != 1 && !(is_axis && tensor.shape()[i] == extent)) return std::nullopt;
  }
  std::vector<double> result(static_cast<size_t>(extent));
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = tensor.get_double(tensor.size() == 1 ? 0 : static_cast<int64_t>(i));
  }
  return result;
}

}  // namespace dlc::passes
