#include "passes/training/algorithm_step.h"

#include <algorithm>
#include <set>

#include "ir/clone.h"
#include "ir/op.h"
#include "ir/term.h"
#include "passes/training/optimizer.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Term;
using ir::Value;

class AlgorithmBuilder {
 public:
  AlgorithmBuilder(const ir::Graph& graph, const AlgorithmGraph& algorithm, StepKind kind)
      : graph_(ir::clone(graph)),
        algorithm_(algorithm),
        trains_(kind == StepKind::kStep),
        parameters_(algorithm.parameters.begin(), algorithm.parameters.end()) {}

  StepGraph run() {
    add_fields();
    add_states();
    std::vector<Value*> outputs = {loss(), nullptr};
    std::vector<std::string> names = {"loss", trains_ ? "change_norm" : "total_weight"};
    for (size_t i = 0; i < algorithm_.outputs; ++i) {
      outputs.push_back(graph_->outputs()[i]);
      names.push_back(graph_->output_names()[i]);
      layout_.outputs.push_back(field(names.back(), *outputs.back()));
    }
    Builder builder(*graph_);
    outputs[1] = trains_ ? add_changes(outputs, names) : builder.reduce("ReduceSum", weights_, {0}, false);
    graph_->set_outputs(outputs, names);
    return {std::move(graph_), std::move(layout_)};
  }

 private:
  static training::Field field(const std::string& name, const Value& value) {
    if (!value.type().is_tensor() || !ir::is_static(value.shape())) {
      fail(ErrorKind::kUsage, "'{}' has extents that are not known: {}; --shape fixes them", name,
           to_string(value.type()));
    }
    return {name, value.dtype(), ir::static_shape(value.shape())};
  }

  void add_fields() {
    if (graph_->inputs().empty()) fail(ErrorKind::kModel, "the model has no inputs");
    for (const Value* input : graph_->inputs()) layout_.fields.push_back(field(input->name(), *input));
    const ir::Shape& first = graph_->inputs().front()->shape();
    if (first.empty()) fail(ErrorKind::kModel, "input '{}' has no batch axis", layout_.fields.front().name);
    weights_ = graph_->add_input("sample_weights", ir::Type(DType::kFloat, {first[0]}));
    graph_->add_input("learning_rate", ir::Type(DType::kFloat, {}));
    graph_->add_input("step", ir::Type(DType::kInt64, {}));
    graph_->add_input("draw", ir::Type(DType::kInt64, {}));
  }

  void add_states() {
    std::map<std::string, const Value*> constants;
    for (const Value* value : graph_->constants()) constants[value->name()] = value;
    for (const auto& [name, next] : algorithm_.updates) {
      const bool is_parameter = parameters_.contains(name);
      if (!trains_ && !is_parameter) continue;
      const auto found = constants.find(name);
      // One that nothing reads is not in the graph.
      if (found == constants.end())
        fail(ErrorKind::kModel, "the step changes '{}', which nothing reads", name);
      const DType type = found->second->dtype();
      const std::vector<int64_t> shape = found->second->constant().shape();
      inputs_[name] = make_input(*graph_, name, name, type);
      layout_.states.push_back(
          {name, is_parameter ? training::StateRole::kParameter : training::StateRole::kMoment, type, shape});
    }
  }

  Value* output(const std::string& name) const {
    const auto& names = graph_->output_names();
    const auto found = std::find(names.begin(), names.end(), name);
    check(found != names.end(), "the algorithm's values are outputs of the graph");
    return graph_->outputs()[static_cast<size_t>(found - names.begin())];
  }

  Value* loss() const {
    Value* value = output(algorithm_.loss);
    if (!value->type().is_tensor() || !is_float(value->dtype()) ||
        !(ir::product(value->shape()) == ir::Dim(1))) {
      fail(ErrorKind::kModel, "the loss '{}': expected one floating-point number, found {}", algorithm_.loss,
           to_string(value->type()));
    }
    Builder builder(*graph_);
    return builder.cast(builder.reshape(value, {}), DType::kFloat);
  }

  // The next values of all states; returns the norm of how far parameters went.
  Value* add_changes(std::vector<Value*>& outputs, std::vector<std::string>& names) {
    Builder builder(*graph_);
    std::vector<Value*> changes;
    for (size_t i = 0; i < layout_.states.size(); ++i) {
      const training::State& state = layout_.states[i];
      Value* next = output(algorithm_.updates.at(state.name));
      if (to_string(next->type()) != to_string(inputs_.at(state.name)->type())) {
        fail(ErrorKind::kModel, "'{}' is {}, and becomes {}", state.name,
             to_string(inputs_.at(state.name)->type()), to_string(next->type()));
      }
      layout_.changed.push_back(i);
      outputs.push_back(next);
      names.push_back(state.name + ".next");
      if (state.role == training::StateRole::kParameter)
        changes.push_back(Term(builder, next) - Term(builder, inputs_.at(state.name)));
    }
    if (changes.empty()) fail(ErrorKind::kModel, "the step changes no floating-point tensor of the model");
    return builder.cast(add_norm(*graph_, changes), DType::kFloat);
  }

  std::unique_ptr<ir::Graph> graph_;
  const AlgorithmGraph& algorithm_;
  bool trains_;
  std::set<std::string> parameters_;
  training::StepLayout layout_;
  std::map<std::string, Value*> inputs_;  // by state
  Value* weights_ = nullptr;
};

}  // namespace

StepGraph build_algorithm_step(const ir::Graph& graph, const AlgorithmGraph& algorithm, StepKind kind) {
  return AlgorithmBuilder(graph, algorithm, kind).run();
}

}  // namespace dlc::passes
