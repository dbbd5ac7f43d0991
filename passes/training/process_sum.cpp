#include "passes/training/process_sum.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "ir/builder.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Node;
using ir::Value;

std::unordered_set<const Node*> ancestors(const Value* value) {
  std::unordered_set<const Node*> result;
  std::vector<const Value*> waiting = {value};
  while (!waiting.empty()) {
    const Value* at = waiting.back();
    waiting.pop_back();
    if (at == nullptr || at->producer() == nullptr || !result.insert(at->producer()).second) continue;
    waiting.insert(waiting.end(), at->producer()->inputs().begin(), at->producer()->inputs().end());
  }
  return result;
}

std::vector<Node*> nodes_of(const ir::Graph& graph) {
  std::vector<Node*> nodes;
  for (const auto& node : graph.nodes()) nodes.push_back(node.get());
  return nodes;
}

// Moves what the value depends on to the graph's beginning; returns the first node behind it.
Node* hoist(ir::Graph& graph, const Value* value) {
  const std::unordered_set<const Node*> wanted = ancestors(value);
  Node* first_other = nullptr;
  for (Node* node : nodes_of(graph)) {
    if (!wanted.contains(node)) {
      if (first_other == nullptr) first_other = node;
    } else if (first_other != nullptr) {
      graph.move_before(node, first_other);
    }
  }
  return first_other;
}

}  // namespace

Value* ProcessSum::give(Value* value, Node* before) {
  Builder builder(graph_, before);
  Value* wide = builder.cast(value, wide_type(value->dtype()));
  std::vector<Value*> inputs = {wide};
  if (last_ != nullptr) inputs.push_back(last_);
  const auto place = static_cast<int64_t>(parts_.size());
  int64_t count = 1;
  for (int64_t extent : ir::static_shape(value->shape())) count *= extent;
  parts_.push_back({wide->dtype(), count});
  last_ = builder.op_in("dlc", "Give", inputs, {{"place", place}});
  return last_;
}

Value* ProcessSum::take(const Value& value, int64_t place) {
  Builder builder(graph_);
  std::vector<std::string> dims;
  for (const ir::Dim& dim : value.shape()) dims.push_back(dim.to_string());
  const auto type = static_cast<int64_t>(parts_[static_cast<size_t>(place)].dtype);
  Value* sum =
      builder.op_in("dlc", "Take", {last_}, {{"place", place}, {"dtype", type}, {"dims", std::move(dims)}});
  return builder.cast(sum, value.dtype());
}

Value* ProcessSum::add_first(Value* value) {
  check(parts_.empty(), "the first part");
  give(value, hoist(graph_, value));
  return take(*value, 0);
}

std::vector<Value*> ProcessSum::add(std::span<Value* const> values) {
  check(parts_.size() == 1, "the first part has been given");
  const std::vector<Node*> nodes = nodes_of(graph_);
  std::unordered_map<const Node*, size_t> position;
  for (size_t i = 0; i < nodes.size(); ++i) position[nodes[i]] = i;
  const size_t begin = position.at(last_->producer());
  auto computed_at = [&](size_t i) {
    const Node* producer = values[i]->producer();
    return producer == nullptr ? begin : std::max(begin, position.at(producer));
  };
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return computed_at(a) < computed_at(b); });
  for (size_t i : order) {
    const size_t next = computed_at(i) + 1;
    give(values[i], next < nodes.size() ? nodes[next] : nullptr);
  }
  std::vector<Value*> sums(values.size());
  for (size_t k = 0; k < order.size(); ++k)
    sums[order[k]] = take(*values[order[k]], static_cast<int64_t>(k) + 1);
  return sums;
}

}  // namespace dlc::passes
