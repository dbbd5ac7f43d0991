#include "frontend/expand_gradients.h"

#include "ir/builder.h"
#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::frontend {

void expand_gradients(ir::Graph& graph) {
  const ir::OpDef& gradient = ir::OpRegistry::global().get("ai.onnx.preview.training", "Gradient");
  std::vector<ir::Node*> nodes;
  for (const auto& node : graph.nodes()) {
    for (const auto& [name, body] : ir::subgraphs(*node)) expand_gradients(*body);
    if (&node->op() == &gradient) nodes.push_back(node.get());
  }
  for (ir::Node* node : nodes) {
    ir::Builder builder(graph, node, node);
    try {
      gradient.expand(builder, *node);
    } catch (Error& error) {
      throw error.add_context(node->describe());
    }
    graph.erase(node);
  }
}

}  // namespace dlc::frontend
