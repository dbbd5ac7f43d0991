#include "ir/gradient.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/op.h"

namespace dlc::ir {
namespace {

bool is_ancestor(const Graph& graph, const Graph& of) {
  for (const Graph* at = &of; at != nullptr; at = at->parent()) {
    if (at == &graph) return true;
  }
  return false;
}

// Values of enclosing graphs that the sub-graph reads, and values that it gives on as they are.
void visit_captures(const Graph& body, const Graph& outside, const std::function<void(Value*)>& visit) {
  auto visit_outer = [&](Value* value) {
    if (value != nullptr && is_ancestor(value->graph(), outside)) visit(value);
  };
  for (const auto& node : body.nodes()) {
    for (Value* input : node->inputs()) visit_outer(input);
    for (const auto& [name, inner] : subgraphs(*node)) visit_captures(*inner, outside, visit);
  }
  for (Value* output : body.outputs()) visit_outer(output);
}

void visit_reads(const Node& node, const std::function<void(Value*)>& visit) {
  for (Value* input : node.inputs()) {
    if (input != nullptr) visit(input);
  }
  for (const auto& [name, body] : subgraphs(node)) visit_captures(*body, node.graph(), visit);
}

// Numbers that are no floats, and text, have no derivative. Sequences of floats may hold one.
bool may_have_gradient(const Type& type) {
  if (type.is_tensor()) return is_float(type.tensor.dtype);
  return type.element != nullptr && may_have_gradient(*type.element);
}

// Values that depend on `wrt` and on which the seeds depend.
class Activity {
 public:
  Activity(const Graph& graph, std::span<const Cotangent> seeds, std::span<Value* const> wrt) {
    std::unordered_set<const Value*> varied(wrt.begin(), wrt.end());
    for (const auto& node : graph.nodes()) {
      if (!reads_any(*node, varied)) continue;
      for (Value* output : node->outputs()) {
        if (output != nullptr && may_have_gradient(output->type())) varied.insert(output);
      }
    }
    for (const Cotangent& seed : seeds) {
      if (varied.contains(seed.value)) active_.insert(seed.value);
    }
    for (auto it = graph.nodes().rbegin(); it != graph.nodes().rend(); ++it) {
      if (!has_active_output(**it)) continue;
      visit_reads(**it, [&](Value* value) {
        if (varied.contains(value)) active_.insert(value);
      });
    }
  }

  bool contains(const Value* value) const { return active_.contains(value); }
  bool has_active_output(const Node& node) const {
    return std::any_of(node.outputs().begin(), node.outputs().end(),
                       [&](const Value* output) { return output != nullptr && contains(output); });
  }

 private:
  static bool reads_any(const Node& node, const std::unordered_set<const Value*>& values) {
    bool found = false;
    visit_reads(node, [&](Value* value) { found = found || values.contains(value); });
    return found;
  }

  std::unordered_set<const Value*> active_;
};

class PullBack {
 public:
  PullBack(Graph& graph, GradientFaults& faults) : graph_(graph), faults_(faults) {}

  std::vector<Value*> run(std::span<const Cotangent> seeds, std::span<Value* const> wrt) {
    // Definitions stand in for nodes, so seeds are followed by name of place: they are values of the graph
    // whose uses Builder::replace moves.
    std::vector<Cotangent> current(seeds.begin(), seeds.end());
    while (expand_one_round(current, wrt)) {
    }
    Activity activity(graph_, current, wrt);
    activity_ = &activity;
    for (const Cotangent& seed : current) contribute(seed.value, seed.grad);
    std::vector<Node*> nodes;
    for (const auto& node : graph_.nodes()) nodes.push_back(node.get());
    for (size_t i = nodes.size(); i-- > 0;) visit(*nodes[i]);
    std::vector<Value*> result;
    for (Value* value : wrt) result.push_back(collect(value));
    return result;
  }

 private:
  // Replaces active operators without rule by their definitions. Seeds that such a node gives follow it.
  bool expand_one_round(std::vector<Cotangent>& seeds, std::span<Value* const> wrt) {
    Activity activity(graph_, seeds, wrt);
    bool changed = false;
    for (auto it = graph_.nodes().begin(); it != graph_.nodes().end();) {
      Node& node = **it++;
      if (!activity.has_active_output(node) || node.op().gradient != nullptr) continue;
      if (definition_of(node) == nullptr) continue;
      changed = expand(node, seeds) || changed;
    }
    return changed;
  }

  using Definition = bool (*)(Builder&, Node&);
  static Definition definition_of(const Node& node) {
    return node.op().unfold == nullptr ? node.op().expand : node.op().unfold;
  }

  bool expand(Node& node, std::vector<Cotangent>& seeds) {
    // Anchors hold the places of the outputs while the definition takes them over.
    std::vector<Value*> outputs(node.outputs().begin(), node.outputs().end());
    std::vector<Node*> anchors(outputs.size(), nullptr);
    const OpDef& identity = OpRegistry::global().get("", "Identity");
    for (size_t i = 0; i < outputs.size(); ++i) {
      bool is_seed = std::any_of(seeds.begin(), seeds.end(),
                                 [&](const Cotangent& seed) { return seed.value == outputs[i]; });
      if (is_seed) anchors[i] = graph_.add_node(identity, {outputs[i]}, {""});
    }
    Builder builder(graph_, &node, &node);
    bool expanded = definition_of(node)(builder, node);
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (anchors[i] == nullptr) continue;
      for (Cotangent& seed : seeds) {
        if (seed.value == outputs[i]) seed.value = anchors[i]->input(0);
      }
      graph_.erase(anchors[i]);
    }
    if (expanded) graph_.erase(&node);
    return expanded;
  }

  void visit(Node& node) {
    if (!activity_->has_active_output(node)) return;
    std::vector<Value*> grads;
    bool any = false;
    for (Value* output : node.outputs()) {
      grads.push_back(output == nullptr ? nullptr : collect(output));
      any = any || grads.back() != nullptr;
    }
    if (node.op().gradient == nullptr) {
      faults_.push_back(node.describe() + ": the operator has no derivative here");
      return;
    }
    if (!any) return;
    auto is_active = [this](const Value* value) { return activity_->contains(value); };
    auto add = [this](Value* value, Value* grad) { contribute(value, grad); };
    GradientContext context(node, std::move(grads), is_active, add, faults_);
    try {
      node.op().gradient(context);
    } catch (Error& error) {
      if (error.kind() != ErrorKind::kModel) throw error.add_context(node.describe());
      faults_.push_back(node.describe() + ": " + error.what());
    }
  }

  void contribute(Value* value, Value* grad) { contributions_[value].push_back(grad); }

  // The whole cotangent of a value, whose uses have all been visited.
  Value* collect(Value* value) {
    auto it = contributions_.find(value);
    if (it == contributions_.end()) return nullptr;
    std::vector<Value*>& terms = it->second;
    if (terms.size() > 1) {
      Builder builder(graph_, nullptr, value->producer());
      terms = {builder.op("Sum", terms)};
    }
    return terms.front();
  }

  Graph& graph_;
  GradientFaults& faults_;
  const Activity* activity_ = nullptr;
  std::unordered_map<const Value*, std::vector<Value*>> contributions_;
};

// What is known before the run of how one axis of a value becomes one of the shape that it is summed to.
enum class AxisSum : uint8_t { kKeep, kSum, kUnknown };

AxisSum axis_sum(const Dim& from, const Dim& to) {
  if (from == to) return AxisSum::kKeep;
  if (to == Dim(1)) return AxisSum::kSum;
  return to.is_constant() ? AxisSum::kKeep : AxisSum::kUnknown;
}

Value* sum_to_known(Builder& builder, Value* value, const Shape& shape) {
  size_t extra = value->shape().size() - shape.size();
  std::vector<int64_t> axes;
  for (size_t i = 0; i < value->shape().size(); ++i) {
    bool summed = i < extra || axis_sum(value->shape()[i], shape[i - extra]) == AxisSum::kSum;
    if (summed) axes.push_back(static_cast<int64_t>(i));
  }
  if (axes.empty()) return value;
  bool only_extra = axes.size() == extra;
  Value* sum = builder.reduce("ReduceSum", value, axes, !only_extra);
  return only_extra ? sum : builder.reshape(sum, shape);
}

}  // namespace

Value* sum_to(Builder& builder, Value* value, const Shape& shape) {
  const Shape& from = value->shape();
  check(from.size() >= shape.size(), "a cotangent has at least the rank of its value");
  size_t extra = from.size() - shape.size();
  bool known = true;
  for (size_t i = 0; i < shape.size(); ++i) {
    known = known && axis_sum(from[extra + i], shape[i]) != AxisSum::kUnknown;
  }
  if (known) return sum_to_known(builder, value, shape);
  std::vector<std::string> dims;
  for (const Dim& dim : shape) dims.push_back(dim.to_string());
  return builder.op_in("dlc", "SumTo", {value}, {{"dims", std::move(dims)}});
}

std::vector<Value*> captured_values(const Graph& body) {
  std::vector<Value*> result;
  if (body.parent() == nullptr) return result;
  visit_captures(body, *body.parent(), [&](Value* value) { result.push_back(value); });
  return result;
}

std::vector<Value*> pull_back(Graph& graph, std::span<const Cotangent> seeds, std::span<Value* const> wrt,
                              GradientFaults& faults) {
  return PullBack(graph, faults).run(seeds, wrt);
}

GradientContext::GradientContext(Node& node, std::vector<Value*> output_grads,
                                 std::function<bool(const Value*)> is_active,
                                 std::function<void(Value*, Value*)> contribute, GradientFaults& faults)
    : node_(node),
      builder_(node.graph(), nullptr, &node),
      grads_(std::move(output_grads)),
      is_active_(std::move(is_active)),
      contribute_(std::move(contribute)),
      faults_(faults) {}

Value* GradientContext::ensure_output(size_t i) {
  if (Value* output = node_.output(i)) return output;
  Value* output = node_.graph().ensure_output(&node_, i);
  infer_node(node_);
  return output;
}

void GradientContext::contribute(Value* value, Value* grad) {
  if (grad == nullptr || !wants_value(value)) return;
  check(grad->dtype() == value->dtype(), "a cotangent has the element type of its value");
  contribute_(value, sum_to(builder_, grad, value->shape()));
}

GradientContext GradientContext::with(Node& node) const {
  return GradientContext(node, grads_, is_active_, contribute_, faults_);
}

}  // namespace dlc::ir
