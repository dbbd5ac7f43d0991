#include "ir/prune.h"

#include <set>

namespace dlc::ir {

void for_each_read(const Node& node, const std::function<void(const Value&)>& f) {
  for (const Value* input : node.inputs()) {
    if (input != nullptr) f(*input);
  }
  for (const auto& [name, graph] : subgraphs(node)) {
    for (const Value* output : graph->outputs()) f(*output);
    for (const auto& inner : graph->nodes()) for_each_read(*inner, f);
  }
}

void erase_with_dependents(Graph& graph, const std::function<bool(const Node&)>& is_bad) {
  std::set<const Value*> lost;
  std::vector<Node*> erased;
  for (const auto& node : graph.nodes()) {
    bool bad = is_bad(*node);
    for_each_read(*node, [&](const Value& value) { bad = bad || lost.contains(&value); });
    if (!bad) continue;
    erased.push_back(node.get());
    for (const Value* output : node->outputs()) lost.insert(output);
  }
  graph.set_outputs({}, {});
  for (size_t i = erased.size(); i-- > 0;) graph.erase(erased[i]);
  std::vector<Value*> outputs;
  std::vector<std::string> names;
  for (const auto& node : graph.nodes()) {
    for (Value* output : node->outputs()) {
      if (output == nullptr || output->has_uses()) continue;
      outputs.push_back(output);
      names.push_back(output->name());
    }
  }
  graph.set_outputs(std::move(outputs), std::move(names));
}

}  // namespace dlc::ir
