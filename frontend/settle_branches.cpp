// Nodes that run one of two sub-graphs, in the importer's second walk.
//
// Exporters write `if extent == 1: squeeze`, whose result has a rank that depends on the inputs. No type
// holds that, so such a branch takes what follows it along: `if c: a else: b; rest` becomes `if c: a; rest
// else: b; rest`. In most models one of the two is then impossible, because an operator of the rest does not
// take that rank: the other one is left, with a check of the condition.
#include <algorithm>
#include <exception>
#include <set>

#include "frontend/import_model.h"
#include "ir/clone.h"
#include "ir/ops/branch.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

// Every one of them may double what follows.
constexpr int kMaxRankSplits = 64;

// A branch in the sub-graph of another one gives the sub-graph results whose rank depends on it. The branch
// around it can take what follows into its sub-graphs.
class OpenRank : public Error {
 public:
  explicit OpenRank(const Error& error) : Error(error) {}
};

// Whether the node or its sub-graphs read one of the values.
bool reads_any(const ir::Node& node, const std::set<const ir::Value*>& values) {
  const auto among = [&](const ir::Value* value) { return values.contains(value); };
  if (std::any_of(node.inputs().begin(), node.inputs().end(), among)) return true;
  for (const auto& [name, graph] : ir::subgraphs(node)) {
    if (std::any_of(graph->outputs().begin(), graph->outputs().end(), among)) return true;
    for (const auto& inner : graph->nodes()) {
      if (reads_any(*inner, values)) return true;
    }
  }
  return false;
}

void add_outputs(const ir::Node& node, std::set<const ir::Value*>& values) {
  for (const ir::Value* output : node.outputs()) {
    if (output != nullptr) values.insert(output);
  }
}

// What follows a node: the nodes that need its results, and the others.
struct Followers {
  std::vector<ir::Node*> dependent;
  std::vector<ir::Node*> independent;
};

Followers followers_of(const ir::Node& node, NodePosition position, const ir::Graph& graph) {
  Followers result;
  std::set<const ir::Value*> values;
  add_outputs(node, values);
  for (auto it = std::next(position); it != graph.nodes().end(); ++it) {
    const bool depends = reads_any(**it, values);
    if (depends) add_outputs(**it, values);
    (depends ? result.dependent : result.independent).push_back(it->get());
  }
  return result;
}

// The outputs of the graph that the nodes give, each once.
std::vector<ir::Value*> results_of(const ir::Graph& graph, const std::vector<ir::Node*>& nodes) {
  std::set<const ir::Value*> values;
  for (const ir::Node* node : nodes) add_outputs(*node, values);
  std::vector<ir::Value*> results;
  for (ir::Value* output : graph.outputs()) {
    if (values.erase(output) > 0) results.push_back(output);
  }
  return results;
}

NodePosition position_of(const ir::Node& node, NodePosition from) {
  while (from->get() != &node) ++from;
  return from;
}

}  // namespace

// Returns where to go on.
NodePosition Importer::settle_branches(ir::Graph& graph, NodePosition position) {
  ir::Node& node = **position;
  if (const ir::Graph* known = ir::known_branch(node)) {
    return take_known_branch(graph, position, *known);
  }
  const Followers followers = followers_of(node, position, graph);
  bool takes_rest = false;
  try {
    settle_both(node);
    takes_rest = ir::ranks_differ(node);
    if (!takes_rest || followers.dependent.empty()) ir::infer_node(node);
  } catch (const OpenRank&) {
    if (followers.dependent.empty()) throw;
    takes_rest = true;
  } catch (const Error& error) {
    if (takes_rest && graph.parent() != nullptr) throw OpenRank(error);
    throw;
  }
  if (!takes_rest) {
    run_type_checks();
    return std::next(position);
  }
  if (!followers.independent.empty()) {
    // They are settled first; then the walk comes back to this node.
    const NodePosition first = position_of(*followers.independent.front(), position);
    for (ir::Node* other : followers.independent) graph.move_before(other, &node);
    return first;
  }
  ir::Node& all = move_rest_into(node, followers.dependent);
  settle_rest(all);
  return graph.nodes().end();
}

// Its nodes take the place of the node, still to be settled: what follows a branch among them is then in one
// graph with it. Returns the first of them.
NodePosition Importer::take_known_branch(ir::Graph& graph, NodePosition position, const ir::Graph& taken) {
  ir::Node& node = **position;
  if (taken.outputs().size() != node.outputs().size()) {
    fail(ErrorKind::kModel, "{}: the branch gives {} values, expected {}", node.describe(),
         taken.outputs().size(), node.outputs().size());
  }
  ir::ValueMap values;
  for (const ir::Value* value : taken.constants())
    values[value] = graph.add_constant(value->name(), value->constant());
  std::vector<ir::Node*> inner;
  for (const auto& each : taken.nodes()) inner.push_back(each.get());
  const NodePosition last = std::prev(graph.nodes().end());
  copy_unsettled(inner, graph, values);
  while (std::next(last) != graph.nodes().end()) graph.move_before(std::next(last)->get(), &node);
  for (size_t i = 0; i < node.outputs().size(); ++i) {
    if (node.output(i) == nullptr) continue;
    const auto copy = values.find(taken.outputs()[i]);
    ir::Value* result = copy != values.end() ? copy->second : taken.outputs()[i];
    graph.replace_all_uses(node.output(i), result);
    graph.pass_name(node.output(i), result);
  }
  const NodePosition next = std::next(position);
  erase_unsettled(node);
  return std::prev(next, static_cast<std::ptrdiff_t>(inner.size()));
}

// Copies nodes to the end of a graph, which then still have to be settled where the first ones have.
void Importer::copy_unsettled(const std::vector<ir::Node*>& nodes, ir::Graph& target, ir::ValueMap& values) {
  ir::copy_nodes(nodes, target, values, [&](const ir::Node& from, ir::Node& to) {
    count_node();
    if (const auto found = pending_.find(&from); found != pending_.end()) {
      const Pending pending = found->second;
      pending_.emplace(&to, pending);
    }
  });
}

void Importer::settle_both(ir::Node& branch) {
  for (const bool condition : {true, false}) settle(ir::branch_of(branch, condition), true);
}

// The node in whose sub-graphs the rest has gone.
ir::Node& Importer::move_rest_into(ir::Node& branch, const std::vector<ir::Node*>& rest) {
  if (++rank_splits_ > kMaxRankSplits) {
    fail(ErrorKind::kResource, "{}: more than {} conditions decide on the ranks of values", branch.describe(),
         kMaxRankSplits);
  }
  ir::Graph& graph = branch.graph();
  std::vector<ir::Node*> all = rest;
  all.insert(all.begin(), &branch);
  const std::vector<ir::Value*> results = results_of(graph, all);
  for (const bool condition : {true, false}) append_copies(rest, branch, condition, results);
  ir::Node* whole = graph.add_node(branch.op(), {branch.input(0)}, std::vector<std::string>(results.size()),
                                   branch.take_attributes(), branch.name(), &branch);
  for (size_t i = 0; i < results.size(); ++i) {
    graph.replace_all_uses(results[i], whole->output(i));
    graph.pass_name(results[i], whole->output(i));
  }
  std::for_each(all.rbegin(), all.rend(), [&](ir::Node* node) { erase_unsettled(*node); });
  return *whole;
}

void Importer::append_copies(const std::vector<ir::Node*>& rest, ir::Node& branch, bool condition,
                             const std::vector<ir::Value*>& results) {
  ir::Graph& target = ir::branch_of(branch, condition);
  ir::ValueMap values;
  for (size_t i = 0; i < branch.outputs().size() && i < target.outputs().size(); ++i) {
    if (branch.output(i) != nullptr) values[branch.output(i)] = target.outputs()[i];
  }
  copy_unsettled(rest, target, values);
  std::vector<ir::Value*> outputs;
  for (const ir::Value* result : results) outputs.push_back(values.at(result));
  target.set_outputs(std::move(outputs), std::vector<std::string>(results.size()));
}

// Settles the sub-graphs of a node that has taken the rest of its graph along. One that is impossible becomes
// a check of the condition.
void Importer::settle_rest(ir::Node& branch) {
  std::exception_ptr faults[2];
  std::string reasons[2];
  for (const bool condition : {true, false}) {
    try {
      settle(ir::branch_of(branch, condition), true);
    } catch (const OpenRank&) {
      throw;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kModel) throw;
      faults[condition] = std::current_exception();
      reasons[condition] = error.what();
      type_checks_.clear();
    }
  }
  if (faults[0] && faults[1]) std::rethrow_exception(faults[1]);
  if (!faults[0] && !faults[1]) {
    try {
      ir::infer_node(branch);
    } catch (const Error& error) {
      if (ir::ranks_differ(branch) && branch.graph().parent() != nullptr) throw OpenRank(error);
      throw;
    }
    return;
  }
  const bool possible = !faults[1];
  ir::require_branch(branch, possible,
                     fmt::format("{}: the condition; the other branch is not possible, because {}",
                                 branch.describe(), reasons[!possible]));
  erase_unsettled(branch);
}

void Importer::erase_unsettled(ir::Node& node) {
  forget(node);
  node.graph().erase(&node);
}

void Importer::forget(const ir::Node& node) {
  pending_.erase(&node);
  for (const auto& [name, graph] : ir::subgraphs(node)) {
    for (const auto& inner : graph->nodes()) forget(*inner);
  }
}

}  // namespace dlc::frontend
