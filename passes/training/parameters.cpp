#include "passes/training/parameters.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "ir/builder.h"
#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

// Inputs of operators that hold what was learnt.
struct WeightInputs {
  std::string_view op;
  std::vector<size_t> inputs;
};

const std::vector<WeightInputs>& weight_inputs() {
  static const std::vector<WeightInputs> table = {
      {"Conv", {1, 2}},
      {"ConvTranspose", {1, 2}},
      {"Gemm", {0, 1, 2}},
      {"MatMul", {0, 1}},
      {"FusedMatMul", {0, 1}},
      {"Einsum", {0, 1, 2}},
      {"BatchNormalization", {1, 2}},
      {"LayerNormalization", {1, 2}},
      {"RMSNormalization", {1}},
      {"GroupNormalization", {1, 2}},
      {"InstanceNormalization", {1, 2}},
      {"PRelu", {1}},
      {"Gather", {0}},
      {"LSTM", {1, 2, 3, 7}},
      {"GRU", {1, 2, 3}},
      {"RNN", {1, 2, 3}},
      {"Add", {0, 1}},
      {"Sub", {0, 1}},
      {"Mul", {0, 1}},
      {"Div", {0, 1}},
      {"Concat", {0, 1, 2, 3}},
  };
  return table;
}

// Operators that hand their first input on in another shape, order or type.
constexpr std::string_view kCarriers[] = {"Identity", "Transpose", "Reshape", "Flatten",
                                          "Squeeze",  "Unsqueeze", "Expand",  "Cast",
                                          "Slice",    "Split",     "Tile"};

enum class Role : uint8_t { kNone, kWeight, kStatistic };

Role role_of(const ir::Use& use, int depth);

// Of the value by its uses.
Role role_of(const ir::Value& value, int depth) {
  for (const ir::Use& use : value.uses()) {
    if (Role role = role_of(use, depth); role != Role::kNone) return role;
  }
  return Role::kNone;
}

Role role_of(const ir::Use& use, int depth) {
  constexpr int kMaxDepth = 16;
  const ir::Node& node = *use.node;
  std::string_view op = node.op().name;
  if (op == "BatchNormalization" && use.index >= 3) return Role::kStatistic;
  if (std::find(std::begin(kCarriers), std::end(kCarriers), op) != std::end(kCarriers)) {
    if (use.index != 0 || depth == kMaxDepth) return Role::kNone;
    for (const ir::Value* output : node.outputs()) {
      if (output == nullptr) continue;
      if (Role role = role_of(*output, depth + 1); role != Role::kNone) return role;
    }
    return Role::kNone;
  }
  if (node.op().domain == "com.microsoft" && use.index > 0) return Role::kWeight;
  for (const WeightInputs& row : weight_inputs()) {
    if (row.op != op) continue;
    bool listed = std::find(row.inputs.begin(), row.inputs.end(), use.index) != row.inputs.end();
    return listed ? Role::kWeight : Role::kNone;
  }
  return Role::kNone;
}

// A mask forbids with infinities, or with the largest numbers there are.
bool is_mask(const Tensor& tensor) {
  constexpr double kForbidding = 1e30;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    if (!(std::abs(tensor.get_double(i)) < kForbidding)) return true;
  }
  return false;
}

// The position of the first node that uses a value, in the order of the graph.
std::unordered_map<const ir::Node*, size_t> positions(const ir::Graph& graph) {
  std::unordered_map<const ir::Node*, size_t> result;
  for (const auto& node : graph.nodes()) result.emplace(node.get(), result.size());
  return result;
}

struct Found {
  size_t position;
  Parameter parameter;
};

}  // namespace

std::vector<Parameter> find_parameters(const ir::Graph& graph) {
  std::unordered_map<const ir::Node*, size_t> order = positions(graph);
  std::vector<Found> found;
  for (const ir::Value* value : graph.constants()) {
    const Tensor& tensor = value->constant();
    if (!is_float(tensor.dtype()) || tensor.rank() == 0 || value->uses().empty()) continue;
    Role role = role_of(*value, 0);
    if (role == Role::kNone || (role == Role::kWeight && is_mask(tensor))) continue;
    // A single number in front of an element-wise operator belongs to a formula, unless it is a slope.
    const ir::Node& user = *value->uses().front().node;
    bool is_number =
        tensor.size() == 1 && ir::has(user.op().traits, ir::Trait::kElementwise) && user.op().name != "PRelu";
    if (is_number) continue;
    auto at = order.find(&user);  // none: in a sub-graph
    found.push_back({at == order.end() ? order.size() : at->second,
                     {value->name(), tensor, user.describe(), role == Role::kStatistic}});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Found& a, const Found& b) { return a.position < b.position; });
  std::vector<Parameter> result;
  for (Found& item : found) result.push_back(std::move(item.parameter));
  return result;
}

ir::Value* make_input(ir::Graph& graph, const std::string& constant, const std::string& name, DType type) {
  for (ir::Value* value : graph.constants()) {
    if (value->name() != constant) continue;
    ir::Value* input = graph.add_input(name, ir::Type(type, value->shape()));
    ir::Builder builder(graph, graph.nodes().empty() ? nullptr : graph.nodes().front().get());
    graph.replace_all_uses(value, builder.cast(input, value->dtype()));
    return input;
  }
  check(false, "a parameter is a constant of the graph");
  return nullptr;
}

}  // namespace dlc::passes
