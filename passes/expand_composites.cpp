#include "ir/builder.h"
#include "ir/op.h"
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

bool expand_all(ir::Graph& graph) {
  bool changed = false;
  for (auto it = graph.nodes().begin(); it != graph.nodes().end();) {
    ir::Node& node = **it;
    for (auto& [name, body] : ir::subgraphs(node)) changed |= expand_all(*body);
    ++it;
    if (!expand(graph, node)) continue;
    graph.erase(&node);
    changed = true;
  }
  return changed;
}

}  // namespace

void expand_composites(ir::Graph& graph, PassContext&) {
  int rounds = 0;
  while (expand_all(graph)) {
    check(++rounds < kMaxRounds, "definitions of operators do not refer to one another");
  }
  if (rounds == 0) return;
  ir::erase_dead_nodes(graph);
  ir::infer_types(graph);
}

}  // namespace dlc::passes
