// Gradient of ai.onnx.preview.training: the derivative of one tensor of the graph by others, at given values.
#include <algorithm>
#include <unordered_set>

#include "ir/clone.h"
#include "ir/gradient.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/term.h"

namespace dlc::ir {
namespace {

// The attributes name tensors of the graph, which the importer appends to the inputs: the node has the values
// for xs and zs, then the tensors xs and zs themselves, then y.
struct Parts {
  explicit Parts(const Node& node) {
    wanted = node.attribute<std::vector<std::string>>("xs").size();
    count = wanted + node.attribute<std::vector<std::string>>("zs", {}).size();
    if (node.inputs().size() != 2 * count + 1) {
      fail(ErrorKind::kModel, "expected {} inputs, one for each name of xs and zs, found {}", count,
           static_cast<int64_t>(node.inputs().size()) - static_cast<int64_t>(count) - 1);
    }
    given = node.inputs().first(count);
    named = node.inputs().subspan(count, count);
    target = node.input(2 * count);
  }

  size_t wanted;  // of the tensors: those to differentiate by come first
  size_t count;
  std::span<Value* const> given;
  std::span<Value* const> named;
  Value* target;
};

void infer_gradient(InferContext& context) {
  const Parts parts(context.node());
  require_type(context, 2 * parts.count, TypeClass::kFloat);
  for (size_t i = 0; i < parts.count; ++i) {
    const size_t named = parts.count + i;
    if (context.dtype(i) != context.dtype(named))
      context.fail("input {}: expected {}, found {}", i, name(context.dtype(named)), name(context.dtype(i)));
    if (i < parts.wanted) {
      require_type(context, i, TypeClass::kFloat);
      context.set_output(i, context.input(i));
    }
  }
}

std::vector<Value*> reads_of(const Node& node) {
  std::vector<Value*> result;
  for (Value* input : node.inputs()) {
    if (input != nullptr) result.push_back(input);
  }
  for (const auto& [name, body] : subgraphs(node)) {
    const std::vector<Value*> captured = captured_values(*body);
    result.insert(result.end(), captured.begin(), captured.end());
  }
  return result;
}

// Nodes between the tensors and the target, in order.
std::vector<Node*> nodes_between(const Graph& graph, std::span<Value* const> from, const Value* target) {
  std::unordered_set<const Value*> reached(from.begin(), from.end());
  std::vector<Node*> nodes;
  for (const auto& node : graph.nodes()) {
    const std::vector<Value*> reads = reads_of(*node);
    const bool is_reached =
        std::any_of(reads.begin(), reads.end(), [&](const Value* value) { return reached.contains(value); });
    if (!is_reached) continue;
    nodes.push_back(node.get());
    // One of the tensors may depend on another one; it stands for itself.
    reached.insert(node->outputs().begin(), node->outputs().end());
  }
  std::unordered_set<const Value*> needed = {target};
  std::vector<Node*> result;
  for (size_t i = nodes.size(); i-- > 0;) {
    const auto outputs = nodes[i]->outputs();
    const bool is_needed = std::any_of(outputs.begin(), outputs.end(), [&](const Value* value) {
      return value != nullptr && needed.contains(value) &&
             std::find(from.begin(), from.end(), value) == from.end();
    });
    if (!is_needed) continue;
    for (const Value* value : reads_of(*nodes[i])) needed.insert(value);
    result.insert(result.begin(), nodes[i]);
  }
  return result;
}

Value* number_of(const ValueMap& values, Value* value) {
  const auto found = values.find(value);
  return found == values.end() ? value : found->second;
}

// The nodes between stand for a function, which is copied for the values given and differentiated there.
std::vector<Value*> differentiate(Graph& graph, const Parts& parts) {
  Builder builder(graph);
  ValueMap values;
  std::vector<Value*> wanted;
  for (size_t i = 0; i < parts.count; ++i) {
    Value* place = builder.op("Identity", {parts.given[i]});
    values[parts.named[i]] = place;
    if (i < parts.wanted) wanted.push_back(place);
  }
  const std::vector<Node*> between = nodes_between(graph, parts.named, parts.target);
  copy_nodes(between, graph, values, [](const Node&, Node&) {});
  const Term target(builder, number_of(values, parts.target));
  const Cotangent seed{target, expand(target.number(1), target.shape())};
  GradientFaults faults;
  std::vector<Value*> result = pull_back(graph, {&seed, 1}, wanted, faults);
  if (!faults.empty()) {
    fail(ErrorKind::kModel, "the target depends on the tensors through nodes without a derivative:\n  {}",
         fmt::join(faults, "\n  "));
  }
  for (size_t i = 0; i < result.size(); ++i) {
    if (result[i] == nullptr) result[i] = zeros(builder, wanted[i]->dtype(), wanted[i]->shape());
  }
  return result;
}

bool expand_gradient(Builder& builder, Node& node) {
  Graph& graph = node.graph();
  const Parts parts(node);
  for (Value* value : node.inputs()) {
    if (value != nullptr && &value->graph() != &graph)
      fail(ErrorKind::kModel, "'{}' lies outside of the sub-graph of the node", value->name());
  }
  // What is made at the end of the graph moves to the node's place.
  Node* end = Builder(graph).op("Identity", {parts.target})->producer();
  const std::vector<Value*> gradients = differentiate(graph, parts);
  std::vector<Node*> made;
  bool is_behind = false;
  for (const auto& at : graph.nodes()) {
    if (is_behind) made.push_back(at.get());
    is_behind = is_behind || at.get() == end;
  }
  for (Node* at : made) graph.move_before(at, &node);
  graph.erase(end);
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (node.output(i) != nullptr) builder.replace(node, i, gradients[i]);
  }
  return true;
}

}  // namespace

void register_gradient_operator(OpRegistry& registry) {
  registry.add({.domain = "ai.onnx.preview.training",
                .name = "Gradient",
                .infer = infer_gradient,
                .expand = expand_gradient});
}

}  // namespace dlc::ir
