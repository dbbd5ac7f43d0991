#include "frontend/upgrade.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "ir/op.h"

namespace dlc::frontend {
namespace {

std::vector<const ir::UpgradeStep*> steps_beyond(const ir::OpDef& op, int version) {
  std::vector<const ir::UpgradeStep*> steps;
  for (const ir::UpgradeStep& step : op.upgrades) {
    if (step.to_version > version) steps.push_back(&step);
  }
  std::sort(steps.begin(), steps.end(),
            [](const auto* a, const auto* b) { return a->to_version < b->to_version; });
  return steps;
}

}  // namespace

ir::Node* upgrade_node(ir::Graph& graph, NodePosition position, int since_version) {
  const ir::OpDef& op = (*position)->op();
  // The neighbours stay, whatever a step puts between them.
  std::optional<NodePosition> previous;
  if (position != graph.nodes().begin()) previous = std::prev(position);
  const NodePosition next = std::next(position);
  ir::Node* node = position->get();
  for (const ir::UpgradeStep* step : steps_beyond(op, since_version)) {
    step->apply(graph, *node, since_version);
    const NodePosition first = previous ? std::next(*previous) : graph.nodes().begin();
    const NodePosition found = std::find_if(first, next, [&](const auto& n) { return &n->op() == &op; });
    if (found == next) return nullptr;
    node = found->get();
  }
  return node;
}

}  // namespace dlc::frontend
