// Reading a model to the end where nodes of it are faulty: what does not depend on a fault is settled as
// usual, so that all faults are told at once.
#include <iterator>
#include <optional>

#include "frontend/import_model.h"
#include "ir/ops/branch.h"
#include "ir/prune.h"

namespace dlc::frontend {
namespace {

// Stands for a node that cannot be read, so that its results have names.
const ir::OpDef& broken_op() {
  static const ir::OpDef op{.domain = "dlc", .name = "Broken"};
  return op;
}

bool holds_broken(const ir::Node& node) {
  if (&node.op() == &broken_op()) return true;
  for (const auto& [name, graph] : ir::subgraphs(node)) {
    for (const auto& inner : graph->nodes()) {
      if (holds_broken(*inner)) return true;
    }
  }
  return false;
}

}  // namespace

void Importer::add_broken(const onnx::NodeProto& node, Scope& scope) {
  const ir::Node* added = scope.graph.add_node(broken_op(), {}, output_names(node, scope), {},
                                               node_name(node, scope), scope.before);
  name_outputs(node, added->outputs(), scope);
}

// Whether it cannot be settled, because of itself or of what it reads.
bool Importer::is_broken(const ir::Node& node) const {
  bool broken = holds_broken(node);
  ir::for_each_read(node,
                    [&](const ir::Value& value) { broken = broken || faulty_.contains(value.producer()); });
  return broken;
}

void Importer::mark_faulty(NodePosition begin, NodePosition end) {
  for (auto position = begin; position != end; ++position) {
    forget(**position);
    faulty_.insert(position->get());
  }
}

NodePosition Importer::settle_or_collect(ir::Graph& graph, NodePosition position) {
  NodePosition next = std::next(position);
  if (is_broken(**position)) {
    mark_faulty(position, next);
    return next;
  }
  std::optional<NodePosition> previous;
  if (position != graph.nodes().begin()) previous = std::prev(position);
  // A branch may have moved or copied everything behind it when it fails.
  if (ir::is_branch(**position) && !pending_.contains(position->get())) next = graph.nodes().end();
  try {
    return settle_node(graph, position, true);
  } catch (const Error& error) {
    collect(error);
    type_checks_.clear();
    // A definition may have come in part.
    mark_faulty(previous ? std::next(*previous) : graph.nodes().begin(), next);
    return next;
  }
}

void Importer::drop_faulty() {
  if (faulty_.empty()) return;
  ir::erase_with_dependents(*graph_, [&](const ir::Node& node) { return faulty_.contains(&node); });
}

}  // namespace dlc::frontend
