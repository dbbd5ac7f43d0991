#include "ir/rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

bool is_dead(const Node& node) {
  return std::none_of(node.outputs().begin(), node.outputs().end(),
                      [](const Value* output) { return output != nullptr && output->has_uses(); });
}

class Driver {
 public:
  Driver(std::span<const RuleTable> tables, RewriteCounter& counter) : counter_(counter) {
    for (const RuleTable& table : tables) {
      for (const Rule& rule : table) rules_[std::string(rule.op)].push_back(&rule);
    }
  }

  int64_t run(Graph& graph) {
    int64_t before = counter_.count;
    // Chains shrink by one sweep per link in the worst case; a rule pair that undoes one another never ends.
    int64_t allowed = 1000 + 100 * static_cast<int64_t>(graph.nodes().size());
    while (sweep(graph)) {
      erase_dead_nodes(graph);
      infer_types(graph);
      if (counter_.count - before > allowed) {
        fail(ErrorKind::kInternal, "rewriting does not end; the last rule was '{}'", last_rule_);
      }
    }
    return counter_.count - before;
  }

 private:
  bool sweep(Graph& graph) {
    // Rules insert nodes and make others dead but erase none, so the pointers stay valid.
    std::vector<Node*> nodes;
    for (const auto& node : graph.nodes()) nodes.push_back(node.get());
    bool changed = false;
    for (Node* node : nodes) {
      for (auto& [name, body] : subgraphs(*node)) changed |= sweep(*body);
      changed |= visit(*node);
    }
    return changed;
  }

  bool visit(Node& node) {
    const OpDef& op = node.op();
    bool changed = false;
    for (const std::string& key : {op.domain.empty() ? op.name : op.domain + "." + op.name, std::string()}) {
      auto it = rules_.find(key);
      if (it == rules_.end()) continue;
      for (const Rule* rule : it->second) changed |= apply(*rule, node);
    }
    return changed;
  }

  bool apply(const Rule& rule, Node& node) {
    if (counter_.exhausted() || is_dead(node)) return false;
    Builder builder(node.graph(), &node, &node);
    std::string place = node.describe();
    try {
      if (!rule.apply(builder, node)) return false;
      if (!is_dead(node)) infer_node(node);
    } catch (Error& error) {
      error.add_context(fmt::format("rewriting {} by rule '{}'", place, rule.name));
      throw;
    }
    ++counter_.count;
    last_rule_ = rule.name;
    if (counter_.keep_log) counter_.log.push_back(fmt::format("{} {} {}", counter_.count, rule.name, place));
    return true;
  }

  RewriteCounter& counter_;
  std::unordered_map<std::string, std::vector<const Rule*>> rules_;
  std::string_view last_rule_;
};

int64_t erase_dead_of(Graph& graph) {
  int64_t erased = 0;
  for (auto it = graph.nodes().end(); it != graph.nodes().begin();) {
    Node* node = std::prev(it)->get();
    if (is_dead(*node)) {
      graph.erase(node);
      ++erased;
      continue;
    }
    for (auto& [name, body] : subgraphs(*node)) erased += erase_dead_of(*body);
    --it;
  }
  return erased;
}

void erase_unused_values_of(Graph& graph) {
  for (const auto& node : graph.nodes()) {
    for (auto& [name, body] : subgraphs(*node)) erase_unused_values_of(*body);
  }
  graph.erase_unused_values();
}

}  // namespace

int64_t erase_dead_nodes(Graph& graph) {
  int64_t erased = erase_dead_of(graph);
  erase_unused_values_of(graph);
  return erased;
}

int64_t apply_rules(Graph& graph, std::span<const RuleTable> tables, RewriteCounter& counter) {
  return Driver(tables, counter).run(graph);
}

}  // namespace dlc::ir
