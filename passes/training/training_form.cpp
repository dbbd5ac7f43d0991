#include "passes/training/training_form.h"

#include <algorithm>

#include "ir/op.h"
#include "ir/term.h"
#include "passes/rewrites/match.h"
#include "runtime/glob.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Node;
using ir::Term;
using ir::Value;

// The nodes of an operator of the standard, in the main graph.
std::vector<Node*> nodes_of(ir::Graph& graph, std::string_view op) {
  std::vector<Node*> result;
  for (const auto& node : graph.nodes()) {
    if (is_op(*node, op)) result.push_back(node.get());
  }
  return result;
}

// One half unless the node says otherwise.
double ratio_of(const Node& node) {
  const Value* ratio = node.input(1);
  if (ratio == nullptr) return 0.5;
  return ratio->is_constant() && ratio->constant().size() == 1 ? ratio->constant().get_double(0) : 0.5;
}

double chosen_ratio(const Node& node, double ratio) { return ratio < 0 ? ratio_of(node) : ratio; }

bool drops(const Node& node, double ratio) {
  const double chosen = chosen_ratio(node, ratio);
  return chosen > 0 && chosen < 1;
}

// The node behind, null at the end.
Node* next_of(const ir::Graph& graph, const Node* node) {
  auto at = std::find_if(graph.nodes().begin(), graph.nodes().end(),
                         [&](const auto& other) { return other.get() == node; });
  return ++at == graph.nodes().end() ? nullptr : at->get();
}

void drop(ir::Graph& graph, Node& node, Value* draw, double ratio) {
  Builder builder(graph, &node, &node);
  Term x(builder, node.input(0));
  DType drawn = wide_type(x.dtype());
  std::vector<std::string> dims;
  for (const ir::Dim& dim : x.shape()) dims.push_back(dim.to_string());
  Term uniform(builder,
               builder.op_in(
                   "dlc", "Uniform", {draw},
                   {{"key", node.output()->name()}, {"dtype", static_cast<int64_t>(drawn)}, {"dims", dims}}));
  Term kept = uniform >= ratio;
  builder.replace(node, 0, where(kept, x * (1 / (1 - ratio)), 0));
  if (node.output(1) != nullptr) builder.replace(node, 1, kept);
  graph.erase(&node);
}

}  // namespace

void set_inference_form(ir::Graph& graph) {
  for (Node* node : nodes_of(graph, "Dropout")) node->truncate_inputs(2);
  freeze_normalization(graph);
}

// The form in training has outputs that the other has not.
void freeze_normalization(ir::Graph& graph) {
  for (Node* node : nodes_of(graph, "BatchNormalization")) {
    if (node->attribute<int64_t>("training_mode", 0) == 0) continue;
    Builder builder(graph, node, node);
    ir::Attributes attributes = node->attributes();
    attributes["training_mode"] = int64_t{0};
    std::vector<Value*> inputs(node->inputs().begin(), node->inputs().end());
    builder.replace(*node, 0, builder.op("BatchNormalization", inputs, attributes));
    builder.replace(*node, 1, inputs[3]);
    builder.replace(*node, 2, inputs[4]);
    graph.erase(node);
  }
}

size_t add_dropout(ir::Graph& graph, const std::string& pattern, double ratio) {
  std::vector<Node*> found;
  for (const auto& node : graph.nodes()) {
    const Value* output = node->output();
    if (output == nullptr || !output->type().is_tensor() || !is_float(output->dtype())) continue;
    if (matches(pattern, node->name()) || matches(pattern, output->name())) found.push_back(node.get());
  }
  for (Node* node : found) {
    Value* output = node->output();
    const std::vector<ir::Use> uses = output->uses();
    Builder builder(graph, next_of(graph, node), node);
    Value* dropped = builder.op("Dropout", {output, builder.scalar(DType::kFloat, ratio)});
    for (const ir::Use& use : uses) use.node->set_input(use.index, dropped);
    for (size_t i = 0; i < graph.outputs().size(); ++i) {
      if (graph.outputs()[i] == output) graph.replace_output(i, dropped);
    }
  }
  return found.size();
}

void replace_dropout(ir::Graph& graph, Value* draw, double ratio) {
  for (Node* node : nodes_of(graph, "Dropout")) {
    if (drops(*node, ratio)) drop(graph, *node, draw, chosen_ratio(*node, ratio));
  }
}

bool is_random(const Node& node, double ratio) {
  if (is_op(node, "Dropout")) return drops(node, ratio);
  if (ir::has(node.op().traits, ir::Trait::kNondeterministic)) return true;
  for (const auto& [name, body] : ir::subgraphs(node)) {
    for (const auto& inner : body->nodes()) {
      if (is_random(*inner, ratio)) return true;
    }
  }
  return false;
}

Value* running_statistic(ir::Graph& graph, Value* statistic) {
  for (const ir::Use& use : statistic->uses()) {
    Node& node = *use.node;
    if (node.op().name != "BatchNormalization" || use.index < 3) continue;
    node.set_attribute("training_mode", int64_t{1});
    graph.ensure_output(&node, 1);
    Value* result = graph.ensure_output(&node, use.index - 2);
    graph.ensure_output(&node, 2);
    ir::infer_node(node);
    return result;
  }
  return nullptr;
}

}  // namespace dlc::passes
