#include "ir/graph.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::ir {

const TensorType& Value::tensor_type() const {
  if (!type_.is_tensor()) {
    fail(ErrorKind::kModel, "value '{}': expected a tensor, found {}", name_, to_string(type_));
  }
  return type_.tensor;
}

Graph::Graph(std::string name, Graph* parent) : name_(std::move(name)), parent_(parent) {}

Graph::~Graph() = default;

Graph& Graph::root() {
  Graph* graph = this;
  while (graph->parent_ != nullptr) graph = graph->parent_;
  return *graph;
}

std::string Graph::unique_name(std::string_view hint) {
  auto& counters = root().name_counters_;
  auto [it, is_new] = counters.try_emplace(std::string(hint), 0);
  if (is_new) return std::string(hint);
  while (true) {
    std::string name = fmt::format("{}_{}", hint, ++it->second);
    if (counters.try_emplace(name, 0).second) return name;
  }
}

Dim Graph::fresh_symbol(std::string_view hint, SymbolInfo info) {
  auto& all = symbols();
  std::string base = info.may_be_negative ? fmt::format("${}", hint) : std::string(hint);
  std::string name = base;
  for (int i = 1; all.contains(name); ++i) name = fmt::format("{}_{}", base, i);
  all[name] = std::move(info);
  return Dim::symbol(name);
}

Value* Graph::make_value(std::string name, std::string_view hint) {
  values_.push_back(std::make_unique<Value>());
  Value* value = values_.back().get();
  value->made_up_name_ = name.empty();
  value->name_ = unique_name(name.empty() ? hint : name);
  value->graph_ = this;
  return value;
}

Value* Graph::add_input(std::string name, Type type) {
  Value* value = make_value(std::move(name), "input");
  value->type_ = std::move(type);
  value->is_input_ = true;
  inputs_.push_back(value);
  return value;
}

Value* Graph::add_constant(std::string name, Tensor tensor) {
  Value* value = make_value(std::move(name), "const");
  value->type_ = Type(tensor.dtype(), Shape(tensor.shape().begin(), tensor.shape().end()));
  value->constant_ = std::move(tensor);
  return value;
}

Node* Graph::add_node(const OpDef& op, std::vector<Value*> inputs, std::vector<std::string> outputs,
                      Attributes attributes, std::string name, Node* before) {
  auto owned = std::make_unique<Node>();
  Node* node = owned.get();
  node->op_ = &op;
  node->name_ = std::move(name);
  node->graph_ = this;
  node->attributes_ = std::move(attributes);
  node->inputs_ = std::move(inputs);
  for (size_t i = 0; i < node->inputs_.size(); ++i) add_use(node->inputs_[i], {node, i});
  for (size_t i = 0; i < outputs.size(); ++i) {
    Value* value = outputs[i] == kAbsent ? nullptr : make_value(std::move(outputs[i]), op.name);
    if (value != nullptr) {
      value->producer_ = node;
      value->output_index_ = i;
    }
    node->outputs_.push_back(value);
  }
  auto place = before == nullptr ? nodes_.end() : before->position_;
  node->position_ = nodes_.insert(place, std::move(owned));
  return node;
}

Value* Graph::ensure_output(Node* node, size_t i) {
  if (i >= node->outputs_.size()) node->outputs_.resize(i + 1, nullptr);
  Value*& output = node->outputs_[i];
  if (output == nullptr) {
    output = make_value("", node->op().name);
    output->producer_ = node;
    output->output_index_ = i;
  }
  return output;
}

void Graph::add_use(Value* value, Use use) {
  if (value != nullptr) value->uses_.push_back(use);
}

void Graph::remove_use(Value* value, Use use) {
  if (value == nullptr) return;
  auto it = std::find(value->uses_.begin(), value->uses_.end(), use);
  check(it != value->uses_.end(), "a use is in the list of its value");
  value->uses_.erase(it);
}

void Graph::set_outputs(std::vector<Value*> values, std::vector<std::string> names) {
  check(values.size() == names.size(), "every output has a name");
  for (Value* value : outputs_) --value->output_uses_;
  outputs_ = std::move(values);
  output_names_ = std::move(names);
  for (Value* value : outputs_) ++value->output_uses_;
}

void Graph::replace_output(size_t index, Value* value) {
  --outputs_[index]->output_uses_;
  outputs_[index] = value;
  ++value->output_uses_;
}

std::vector<Value*> Graph::constants() const {
  std::vector<Value*> result;
  for (const auto& value : values_) {
    if (value->is_constant()) result.push_back(value.get());
  }
  return result;
}

void Graph::replace_all_uses(Value* from, Value* to) {
  if (from == to) return;
  std::vector<Use> uses = std::move(from->uses_);
  from->uses_.clear();
  for (const Use& use : uses) {
    use.node->inputs_[use.index] = to;
    to->uses_.push_back(use);
  }
  if (from->output_uses_ > 0) from->graph_->replace_outputs(from, to);
}

// In this graph and its sub-graphs.
void Graph::replace_outputs(Value* from, Value* to) {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i] == from) replace_output(i, to);
  }
  for (const auto& node : nodes_) {
    if (from->output_uses_ == 0) return;
    for (auto& [name, graph] : subgraphs(*node)) graph->replace_outputs(from, to);
  }
}

bool Graph::is_output(const Value* value) const {
  return value->output_uses_ > 0 && std::find(outputs_.begin(), outputs_.end(), value) != outputs_.end();
}

// Ends all uses by the nodes and outputs of this graph and its sub-graphs.
void Graph::drop_uses() {
  for (const auto& node : nodes_) {
    node->truncate_inputs(0);
    for (auto& [name, graph] : subgraphs(*node)) graph->drop_uses();
  }
  set_outputs({}, {});
}

void Graph::erase(Node* node) {
  for (Value* output : node->outputs_) {
    if (output == nullptr) continue;
    check(!output->has_uses(), "an erased node has no uses");
    output->producer_ = nullptr;
  }
  node->truncate_inputs(0);
  for (auto& [name, graph] : subgraphs(*node)) graph->drop_uses();
  nodes_.erase(node->position_);
}

void Graph::erase_unused_values() {
  std::erase_if(values_, [](const std::unique_ptr<Value>& value) {
    return value->producer_ == nullptr && !value->is_input_ && !value->has_uses();
  });
}

void Graph::move_before(Node* node, Node* before) {
  nodes_.splice(before == nullptr ? nodes_.end() : before->position_, nodes_, node->position_);
}

void Graph::pass_name(Value* from, Value* to) {
  if (from->made_up_name_ || !to->made_up_name_) return;
  std::swap(from->name_, to->name_);
  std::swap(from->made_up_name_, to->made_up_name_);
}

std::vector<std::pair<std::string, Graph*>> subgraphs(const Node& node) {
  std::vector<std::pair<std::string, Graph*>> result;
  for (const auto& [name, attribute] : node.attributes()) {
    if (auto* graph = std::get_if<std::shared_ptr<Graph>>(&attribute))
      result.emplace_back(name, graph->get());
  }
  return result;
}

}  // namespace dlc::ir
