#include "passes/training/build_step.h"

#include <algorithm>
#include <set>

#include "ir/clone.h"
#include "ir/op.h"
#include "ir/term.h"
#include "passes/differentiate.h"
#include "passes/pipeline.h"
#include "passes/training/loss.h"
#include "passes/training/optimizer.h"
#include "passes/training/process_sum.h"
#include "passes/training/training_form.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Term;
using ir::Value;
using training::State;
using training::StateRole;

// A state while the graph is built.
struct Slot {
  State state;
  Value* in = nullptr;
  Value* out = nullptr;  // null: unchanged
};

training::Field field(const std::string& name, const Value& value) {
  if (!ir::is_static(value.shape())) {
    fail(ErrorKind::kUsage, "'{}' has extents that are not known: {}; --shape fixes them", name,
         to_string(value.type()));
  }
  return {name, value.dtype(), ir::static_shape(value.shape())};
}

class StepBuilder {
 public:
  StepBuilder(const ir::Graph& model, const TrainingOptions& options, StepKind kind)
      : options_(options),
        kind_(kind),
        graph_(ir::clone(model)),
        outputs_(graph_->outputs().size()),
        sums_(*graph_) {}

  StepGraph run(const std::vector<Parameter>& parameters, const std::vector<std::string>& trained) {
    add_inputs();
    add_states(parameters, trained);
    apply_training_form();
    ir::infer_types(*graph_);
    run_passes(normalizing_passes(), *graph_, Options());
    for (size_t i = 0; i < statistics_.size(); ++i) slots_[statistics_[i]].out = running(i);
    LossNodes nodes = add_loss(*graph_, options_.loss, target_, weights_);
    own_loss_ = nodes.loss;
    if (is_shared()) take_share(nodes);
    Value* norm = trains() ? add_backward(nodes.loss) : nodes.total;
    Builder builder(*graph_);
    if (kind_ != StepKind::kGradients) nodes.loss = builder.cast(nodes.loss, DType::kFloat);
    StepGraph result = finish(nodes.loss, builder.cast(norm, DType::kFloat));
    if (trains()) result.recompute = recompute(*result.graph, forward_, options_.recompute);
    return result;
  }

 private:
  bool trains() const { return kind_ != StepKind::kEvaluate; }
  bool is_shared() const {
    return options_.processes > 1 && (kind_ == StepKind::kStep || kind_ == StepKind::kAccumulate);
  }

  void add_inputs() {
    data_inputs_ = graph_->inputs();
    if (data_inputs_.empty()) fail(ErrorKind::kModel, "the model has no inputs");
    batch_ = data_inputs_.front()->shape().front();
    target_ = graph_->add_input("target", target_type(*graph_, options_.loss));
    weights_ = graph_->add_input("sample_weights", ir::Type(DType::kFloat, {batch_}));
    scalars_.rate = graph_->add_input("learning_rate", ir::Type(DType::kFloat, {}));
    scalars_.step = graph_->add_input("step", ir::Type(DType::kInt64, {}));
    draw_ = graph_->add_input("draw", ir::Type(DType::kInt64, {}));
  }

  void add_state(State state, const ir::Type& type) {
    Slot slot{std::move(state), nullptr, nullptr};
    slot.state.dtype = type.tensor.dtype;
    slot.state.shape = ir::static_shape(type.tensor.shape);
    slot.in = graph_->add_input(slot.state.name, type);
    slots_.push_back(std::move(slot));
  }

  void add_states(const std::vector<Parameter>& parameters, const std::vector<std::string>& trained) {
    const std::set<std::string> wanted(trained.begin(), trained.end());
    for (const Parameter& parameter : parameters) {
      bool is_state = parameter.is_statistic ? options_.normalization == NormalizationMode::kTrain
                                             : wanted.contains(parameter.name);
      if (!is_state) continue;
      StateRole role = parameter.is_statistic ? StateRole::kStatistic : StateRole::kParameter;
      if (parameter.is_statistic) {
        statistics_.push_back(slots_.size());
      } else {
        trained_.push_back(slots_.size());
      }
      DType type = parameter.value.dtype();
      std::string name = parameter.name;
      if (!trains() && !parameter.is_statistic && options_.average > 0) {
        role = StateRole::kAverage;
        name += training::kAverageEnding;
        type = wide_type(type);
      }
      Value* input = make_input(*graph_, parameter.name, name, type);
      slots_.push_back({{name, role, type, ir::static_shape(input->shape())}, input});
    }
    if (kind_ == StepKind::kEvaluate || kind_ == StepKind::kGradients) return;
    const std::vector<std::string> moments = moment_names(options_.optimizer);
    for (size_t i : trained_) {
      const State parameter = slots_[i].state;
      const ir::Type moment_type(wide_type(parameter.dtype), slots_[i].in->shape());
      for (const std::string& moment : moments) {
        add_state({parameter.name + "." + moment, StateRole::kMoment, {}, {}}, moment_type);
      }
      if (options_.average > 0) {
        const std::string name = parameter.name + std::string(training::kAverageEnding);
        add_state({name, StateRole::kAverage, {}, {}}, moment_type);
      }
      if (options_.accumulate <= 1) continue;
      add_state({parameter.name + ".gradient", StateRole::kAccumulator, {}, {}}, slots_[i].in->type());
    }
  }

  Slot& slot(const std::string& name) {
    auto it = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.state.name == name; });
    check(it != slots_.end(), "a state of this name was added");
    return *it;
  }

  // Dropout and normalisation as training or inference want them. What BatchNormalization makes of running
  // statistics becomes further outputs of the graph, behind those of the model.
  void apply_training_form() {
    if (!trains()) return set_inference_form(*graph_);
    freeze_normalization(*graph_);
    replace_dropout(*graph_, draw_, options_.dropout);
    if (options_.normalization != NormalizationMode::kTrain) return;
    std::vector<Value*> outputs = graph_->outputs();
    std::vector<std::string> names = graph_->output_names();
    for (size_t i : statistics_) {
      Value* result = running_statistic(*graph_, slots_[i].in);
      outputs.push_back(result == nullptr ? slots_[i].in : result);
      names.push_back(slots_[i].state.name + ".next");
    }
    graph_->set_outputs(outputs, names);
  }

  Value* running(size_t i) {
    if (!trains()) return nullptr;
    Value* result = graph_->outputs()[outputs_ + i];
    return result->is_input() ? nullptr : result;
  }

  // The loss is an average over weights: what this process has of all of them is its share of the loss.
  void take_share(LossNodes& nodes) {
    Builder builder(*graph_);
    const Term all(builder, sums_.add_first(nodes.total));
    nodes.loss = Term(builder, nodes.loss) * (Term(builder, nodes.total) / where(all > 0, all, 1));
  }

  // Loss, running statistics and, in the batch that completes a step, gradients of all processes in the
  // places of their shares.
  void sum_over_processes(Value*& loss, std::vector<Value*>& gradients) {
    std::vector<Value**> places = {&loss};
    Builder builder(*graph_);
    for (size_t i : statistics_) {
      Value*& next = slots_[i].out;
      if (next == nullptr) continue;
      next = Term(builder, next) * (1.0 / static_cast<double>(options_.processes));
      places.push_back(&next);
    }
    if (kind_ == StepKind::kStep) {
      for (Value*& gradient : gradients) places.push_back(&gradient);
    }
    std::vector<Value*> shares;
    for (Value** place : places) shares.push_back(*place);
    const std::vector<Value*> sums = sums_.add(shares);
    for (size_t i = 0; i < places.size(); ++i) *places[i] = sums[i];
  }

  // Returns the norm of the gradient.
  Value* add_backward(Value*& loss) {
    std::vector<Value*> inputs;
    for (size_t i : trained_) inputs.push_back(slots_[i].in);
    std::vector<Value*> all = differentiate(*graph_, loss, inputs);
    forward_ = forward_values();
    std::vector<size_t> reached;
    std::vector<Value*> gradients;
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i] == nullptr) continue;
      reached.push_back(trained_[i]);
      const bool is_plain = options_.accumulate <= 1 || kind_ == StepKind::kGradients;
      gradients.push_back(is_plain ? all[i] : averaged(trained_[i], all[i]));
    }
    if (gradients.empty()) {
      fail(ErrorKind::kModel, "the loss depends on none of the {} trained parameters", trained_.size());
    }
    if (is_shared()) sum_over_processes(loss, gradients);
    if (options_.clip.value > 0 && kind_ == StepKind::kStep) {
      gradients = clip_values(*graph_, gradients, options_.clip.value);
    }
    Value* norm = add_norm(*graph_, gradients);
    if (kind_ == StepKind::kAccumulate) return norm;
    if (kind_ == StepKind::kGradients) {
      for (size_t i = 0; i < reached.size(); ++i) slots_[reached[i]].out = gradients[i];
      return norm;
    }
    if (options_.clip.norm > 0) gradients = clip_norm(*graph_, gradients, norm, options_.clip.norm);
    for (size_t i = 0; i < reached.size(); ++i) update(slots_[reached[i]], gradients[i]);
    return norm;
  }

  // The sum of what earlier batches and this one give to the average gradient.
  Value* averaged(size_t i, Value* gradient) {
    Builder builder(*graph_);
    Slot& accumulator = slot(slots_[i].state.name + ".gradient");
    Term share = Term(builder, gradient) * (1.0 / static_cast<double>(options_.accumulate));
    Term sum = Term(builder, accumulator.in) + share;
    bool is_last = kind_ == StepKind::kStep;
    accumulator.out = is_last ? zeros_like(sum).value() : sum.value();
    return sum;
  }

  void update(Slot& parameter, Value* gradient) {
    std::vector<Slot*> moments;
    std::vector<Value*> inputs;
    for (const std::string& name : moment_names(options_.optimizer)) {
      moments.push_back(&slot(parameter.state.name + "." + name));
      inputs.push_back(moments.back()->in);
    }
    StepScalars scalars = scalars_;
    auto scale = options_.rate_scales.find(parameter.state.name);
    if (scale != options_.rate_scales.end()) {
      Builder builder(*graph_);
      scalars.rate = Term(builder, scalars.rate) * scale->second;
    }
    UpdateNodes nodes = add_update(*graph_, options_.optimizer, scalars, parameter.in, gradient, inputs);
    parameter.out = nodes.parameter;
    for (size_t i = 0; i < moments.size(); ++i) moments[i]->out = nodes.moments[i];
    if (options_.average <= 0) return;
    Slot& average = slot(parameter.state.name + std::string(training::kAverageEnding));
    average.out = add_average(*graph_, options_.average, scalars_, average.in, nodes.parameter);
  }

  // Loss, outputs of the model and statistics: what there would be without a backward pass.
  std::vector<Value*> forward_values() const {
    std::vector<Value*> values = {own_loss_};
    for (size_t i = 0; i < outputs_; ++i) values.push_back(graph_->outputs()[i]);
    for (size_t i : statistics_) {
      if (slots_[i].out != nullptr) values.push_back(slots_[i].out);
    }
    return values;
  }

  StepGraph finish(Value* loss, Value* norm) {
    StepGraph result;
    std::vector<Value*> outputs = {loss, norm};
    std::vector<std::string> names = {"loss", trains() ? "gradient_norm" : "total_weight"};
    for (Value* input : data_inputs_) result.layout.fields.push_back(field(input->name(), *input));
    result.layout.fields.push_back(field("target", *target_));
    for (size_t i = 0; i < outputs_; ++i) {
      result.layout.outputs.push_back(field(graph_->output_names()[i], *graph_->outputs()[i]));
      outputs.push_back(graph_->outputs()[i]);
      names.push_back(graph_->output_names()[i]);
    }
    for (size_t i = 0; i < slots_.size(); ++i) {
      result.layout.states.push_back(slots_[i].state);
      if (slots_[i].out == nullptr) continue;
      result.layout.changed.push_back(i);
      outputs.push_back(slots_[i].out);
      names.push_back(slots_[i].state.name + ".next");
    }
    graph_->set_outputs(outputs, names);
    result.layout.exchanged = sums_.parts();
    result.graph = std::move(graph_);
    return result;
  }

  const TrainingOptions& options_;
  StepKind kind_;
  std::unique_ptr<ir::Graph> graph_;
  size_t outputs_;  // of the model
  ProcessSum sums_;
  ir::Dim batch_;
  std::vector<Value*> data_inputs_;
  Value* own_loss_ = nullptr;    // of this process
  std::vector<Value*> forward_;  // what the forward pass is for
  Value* target_ = nullptr;
  Value* weights_ = nullptr;
  Value* draw_ = nullptr;
  StepScalars scalars_ = {};
  std::vector<Slot> slots_;
  std::vector<size_t> trained_;     // of the slots
  std::vector<size_t> statistics_;  // of the slots
};

}  // namespace

std::vector<training::Field> batch_fields(const ir::Graph& model, const LossOptions& loss) {
  std::vector<training::Field> fields;
  for (const Value* input : model.inputs()) fields.push_back(field(input->name(), *input));
  const ir::Type target = target_type(model, loss);
  if (!ir::is_static(target.tensor.shape)) {
    fail(ErrorKind::kUsage, "the output's extents are not known: {}; --shape fixes those of inputs",
         to_string(target));
  }
  fields.push_back({"target", target.tensor.dtype, ir::static_shape(target.tensor.shape)});
  return fields;
}

StepGraph build_step(const ir::Graph& model, const std::vector<Parameter>& parameters,
                     const std::vector<std::string>& trained, const TrainingOptions& options, StepKind kind) {
  return StepBuilder(model, options, kind).run(parameters, trained);
}

}  // namespace dlc::passes
