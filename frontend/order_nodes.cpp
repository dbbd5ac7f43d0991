#include "frontend/order_nodes.h"

#include <queue>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "frontend/near_names.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

using Names = std::set<std::string>;

}  // namespace

void collect_captures(const onnx::GraphProto& graph, Names& out) {
  std::unordered_set<std::string> defined;
  for (const auto& input : graph.input()) defined.insert(input.name());
  for (const auto& tensor : graph.initializer()) defined.insert(tensor.name());
  for (const auto& tensor : graph.sparse_initializer()) defined.insert(tensor.values().name());
  for (const auto& node : graph.node()) defined.insert(node.output().begin(), node.output().end());
  Names read;
  for (const auto& node : graph.node()) {
    read.insert(node.input().begin(), node.input().end());
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) collect_captures(attribute.g(), read);
    }
  }
  for (const auto& output : graph.output()) read.insert(output.name());
  for (const std::string& name : read) {
    if (!defined.contains(name)) out.insert(name);
  }
}

namespace {

Names names_read(const onnx::NodeProto& node) {
  Names names(node.input().begin(), node.input().end());
  for (const auto& attribute : node.attribute()) {
    if (attribute.has_g()) collect_captures(attribute.g(), names);
  }
  names.erase("");
  return names;
}

using Producers = std::unordered_map<std::string, int>;

Producers find_producers(const NodeList& nodes, const NodeOrder& names) {
  Producers producers;
  for (int i = 0; i < nodes.size(); ++i) {
    for (const std::string& name : nodes[i].output()) {
      if (name.empty()) continue;
      if (names.own(name)) {
        fail(ErrorKind::kModel, "{}: output '{}' has the name of an input or initializer", describe(nodes[i]),
             name);
      }
      const auto [entry, is_new] = producers.emplace(name, i);
      if (!is_new) {
        fail(ErrorKind::kModel, "{}: output '{}' is also an output of {}", describe(nodes[i]), name,
             describe(nodes[entry->second]));
      }
    }
  }
  return producers;
}

[[noreturn]] void fail_undefined(const onnx::NodeProto& node, const std::string& name,
                                 const Producers& producers) {
  std::vector<std::string> candidates;
  for (const auto& [candidate, index] : producers) candidates.push_back(candidate);
  fail(ErrorKind::kModel, "{}: input '{}' is defined by no node, input or initializer{}", describe(node),
       name, did_you_mean(name, candidates));
}

// Follows unresolved producers from `start` until a node comes up again.
[[noreturn]] void fail_cycle(const NodeList& nodes, const std::vector<std::vector<int>>& before,
                             const std::vector<bool>& done, int start) {
  std::vector<int> path;
  std::unordered_set<int> seen;
  int node = start;
  while (seen.insert(node).second) {
    path.push_back(node);
    for (const int producer : before[static_cast<size_t>(node)]) {
      if (!done[static_cast<size_t>(producer)]) node = producer;
    }
  }
  while (path.front() != node) path.erase(path.begin());
  constexpr size_t kShown = 6;
  std::string text;
  for (size_t i = 0; i < path.size() && i < kShown; ++i) text += describe(nodes[path[i]]) + " <- ";
  if (path.size() > kShown) text += "... <- ";
  fail(ErrorKind::kModel, "the nodes depend on each other in a cycle: {}{}", text, describe(nodes[node]));
}

}  // namespace

std::string normal_domain(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

std::string operator_name(const onnx::NodeProto& node) {
  const std::string domain = normal_domain(node.domain());
  return domain.empty() ? node.op_type() : domain + "." + node.op_type();
}

std::string describe(const onnx::NodeProto& node) {
  std::string text = operator_name(node);
  if (text.empty()) text = "node without operator";
  if (!node.name().empty()) text += fmt::format(" '{}'", node.name());
  for (const std::string& output : node.output()) {
    if (!output.empty()) return text + fmt::format(" (output '{}')", output);
  }
  return text;
}

std::vector<int> order_nodes(const NodeList& nodes, const NodeOrder& names) {
  const Producers producers = find_producers(nodes, names);
  const size_t count = static_cast<size_t>(nodes.size());
  std::vector<std::vector<int>> before(count);
  std::vector<std::vector<int>> after(count);
  std::vector<size_t> missing(count, 0);
  for (int i = 0; i < nodes.size(); ++i) {
    for (const std::string& name : names_read(nodes[i])) {
      const auto found = producers.find(name);
      if (found == producers.end()) {
        if (!names.outer(name)) fail_undefined(nodes[i], name, producers);
        continue;
      }
      before[static_cast<size_t>(i)].push_back(found->second);
      after[static_cast<size_t>(found->second)].push_back(i);
      ++missing[static_cast<size_t>(i)];
    }
  }
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (int i = 0; i < nodes.size(); ++i) {
    if (missing[static_cast<size_t>(i)] == 0) ready.push(i);
  }
  std::vector<int> order;
  std::vector<bool> done(count, false);
  while (!ready.empty()) {
    const int node = ready.top();
    ready.pop();
    order.push_back(node);
    done[static_cast<size_t>(node)] = true;
    for (const int user : after[static_cast<size_t>(node)]) {
      if (--missing[static_cast<size_t>(user)] == 0) ready.push(user);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    if (!done[i]) fail_cycle(nodes, before, done, static_cast<int>(i));
  }
  return order;
}

}  // namespace dlc::frontend
