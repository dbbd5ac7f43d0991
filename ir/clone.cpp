#include "ir/clone.h"

#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

enum class Mode : uint8_t {
  kSameModel,  // another model with the same symbols
  kInfer,      // another place of the model: symbols of its own
  kAsIs,       // the same before types are inferred
};

class Copier {
 public:
  Copier(Mode mode, ValueMap& values) : mode_(mode), values_(values) {}

  void bind(const Value* from, Value* to) { values_[from] = to; }

  // A value that is not copied is captured and stands for itself.
  Value* find(Value* value) const {
    auto it = values_.find(value);
    return it == values_.end() ? value : it->second;
  }

  void on_copy(std::function<void(const Node&, Node&)> copied) { copied_ = std::move(copied); }

  void contents(const Graph& from, Graph& to, Node* before) {
    for (const Value* value : from.constants())
      bind(value, to.add_constant(value->name(), value->constant()));
    for (const auto& item : from.nodes()) node(*item, to, before);
  }

  void whole(const Graph& from, Graph& to) {
    for (const Value* input : from.inputs()) bind(input, to.add_input(input->name(), input->type()));
    contents(from, to, nullptr);
    std::vector<Value*> outputs;
    for (Value* output : from.outputs()) outputs.push_back(find(output));
    to.set_outputs(std::move(outputs), from.output_names());
  }

  void node(const Node& from, Graph& to, Node* before) {
    std::vector<Value*> inputs;
    for (Value* input : from.inputs()) inputs.push_back(input == nullptr ? nullptr : find(input));
    std::vector<std::string> names;
    for (const Value* output : from.outputs()) {
      names.push_back(output == nullptr ? std::string(Graph::kAbsent) : output->name());
    }
    Attributes attributes = from.attributes();
    for (auto& [name, attribute] : attributes) {
      auto* body = std::get_if<std::shared_ptr<Graph>>(&attribute);
      if (body == nullptr) continue;
      auto copy = std::make_shared<Graph>((*body)->name(), &to);
      whole(**body, *copy);
      attribute = std::move(copy);
    }
    Node* result = to.add_node(from.op(), std::move(inputs), std::move(names), std::move(attributes),
                               from.name(), before);
    if (mode_ == Mode::kSameModel) {
      for (const std::string& symbol : from.symbols()) result->add_symbol(symbol);
    }
    for (size_t i = 0; i < from.outputs().size(); ++i) {
      if (from.output(i) == nullptr) continue;
      bind(from.output(i), result->output(i));
      result->output(i)->set_type(from.output(i)->type());
      if (from.output(i)->shape_value()) result->output(i)->set_shape_value(*from.output(i)->shape_value());
    }
    if (mode_ == Mode::kInfer) infer_node(*result);
    if (copied_) copied_(from, *result);
  }

 private:
  Mode mode_;
  ValueMap& values_;
  std::function<void(const Node&, Node&)> copied_;
};

}  // namespace

std::unique_ptr<Graph> clone(const Graph& graph) {
  check(graph.parent() == nullptr, "a whole model is cloned");
  auto result = std::make_unique<Graph>(graph.name());
  result->symbols() = graph.symbols();
  ValueMap values;
  Copier(Mode::kSameModel, values).whole(graph, *result);
  return result;
}

std::vector<Value*> inline_body(const Graph& body, Graph& target, Node* before,
                                std::span<Value* const> inputs) {
  check(inputs.size() == body.inputs().size(), "every input of the body has a value");
  ValueMap values;
  Copier copier(Mode::kInfer, values);
  for (size_t i = 0; i < inputs.size(); ++i) copier.bind(body.inputs()[i], inputs[i]);
  copier.contents(body, target, before);
  std::vector<Value*> outputs;
  for (Value* output : body.outputs()) outputs.push_back(copier.find(output));
  return outputs;
}

void copy_nodes(std::span<Node* const> nodes, Graph& target, ValueMap& values,
                const std::function<void(const Node& from, Node& to)>& copied) {
  Copier copier(Mode::kAsIs, values);
  copier.on_copy(copied);
  for (const Node* node : nodes) copier.node(*node, target, nullptr);
}

}  // namespace dlc::ir
