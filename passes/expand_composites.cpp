#include <set>

#include "ir/builder.h"
#include "ir/op.h"
#include "ir/prune.h"
#include "ir/rewrite.h"
#include "passes/passes.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

// Definitions nest (a loss in terms of a softmax in terms of reductions) but not deeply.
constexpr int kMaxRounds = 32;

// Returns whether the node has been replaced by its definition.
bool expand(ir::Graph& graph, ir::Node& node) {
  const ir::OpDef& op = node.op();
  if (op.expand == nullptr) return false;
  ir::Builder builder(graph, &node, &node);
  bool expanded = false;
  try {
    expanded = op.expand(builder, node);
  } catch (Error& error) {
    error.add_context(node.describe());
    throw;
  }
  if (!expanded && op.lower == nullptr) {
    fail(ErrorKind::kModel, "{}: this form of the operator is not supported", node.describe());
  }
  return expanded;
}

bool expand_with_subgraphs(ir::Graph& graph, ir::Node& node);

// With `faults`, nodes that cannot be expanded are erased, and these say why.
bool expand_all(ir::Graph& graph, std::vector<std::string>* faults = nullptr) {
  bool changed = false;
  std::set<const ir::Node*> faulty;
  for (auto it = graph.nodes().begin(); it != graph.nodes().end();) {
    ir::Node& node = **it;
    ++it;
    try {
      changed |= expand_with_subgraphs(graph, node);
    } catch (const Error& error) {
      if (faults == nullptr) throw;
      faults->emplace_back(error.what());
      faulty.insert(&node);
    }
  }
  if (!faulty.empty())
    ir::erase_with_dependents(graph, [&](const ir::Node& node) { return faulty.contains(&node); });
  return changed;
}

bool expand_with_subgraphs(ir::Graph& graph, ir::Node& node) {
  bool changed = false;
  for (auto& [name, body] : ir::subgraphs(node)) changed |= expand_all(*body);
  if (!expand(graph, node)) return changed;
  graph.erase(&node);
  return true;
}

}  // namespace

void expand_composites(ir::Graph& graph, PassContext& context) {
  int rounds = 0;
  while (expand_all(graph, context.faults)) {
    check(++rounds < kMaxRounds, "definitions of operators do not refer to one another");
  }
  if (rounds == 0) return;
  ir::erase_dead_nodes(graph);
  ir::infer_types(graph);
}

}  // namespace dlc::passes
