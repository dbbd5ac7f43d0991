#include "tools/training_algorithm.h"

#include <algorithm>
#include <set>

#include "ir/op.h"
#include "passes/training/loss.h"
#include "passes/training/optimizer.h"
#include "runtime/error.h"

namespace dlc::tools {
namespace {

using frontend::Algorithm;
using passes::LossKind;
using passes::OptimizerKind;

constexpr const char* kTraining = "ai.onnx.preview.training";

void require_words_for(const passes::TrainingOptions& options, const TrainingFlags& flags) {
  const struct {
    bool is_used;
    const char* flag;
  } rows[] = {{options.clip.norm > 0, "--clip-norm"},
              {options.clip.value > 0, "--clip-value"},
              {options.accumulate > 1, "--accumulate"},
              {options.average > 0, "--ema"},
              {!flags.lora.empty(), "--lora"},
              {!flags.added_dropout.empty(), "--add-dropout"},
              {options.loss.label_smoothing > 0, "--loss: label-smoothing"},
              {options.normalization == passes::NormalizationMode::kTrain, "--bn train"},
              {options.optimizer.kind == OptimizerKind::kLion, "--optimizer lion"}};
  for (const auto& row : rows) {
    if (row.is_used)
      fail(ErrorKind::kUsage, "--training-info: the standard has no words for {}, which the run uses",
           row.flag);
  }
}

class Description {
 public:
  Description(const TrainableModel& model, const TrainingFlags& flags, const training::Checkpoint& checkpoint)
      : model_(model), flags_(flags), options_(training_options(flags)), checkpoint_(checkpoint) {
    for (const ir::Value* constant : model.graph->constants()) names_.insert(constant->name());
    for (const auto& node : model.graph->nodes()) {
      for (const ir::Value* output : node->outputs()) names_.insert(output == nullptr ? "" : output->name());
    }
    for (const ir::Value* input : model.graph->inputs()) names_.insert(input->name());
  }

  Algorithm run() {
    require_words_for(options_, flags_);
    add_target();
    loss_ = add_loss();
    result_.outputs[loss_] = {DType::kFloat, {}};
    add_gradient();
    add_counters();
    for (const std::string& name : model_.trained) add_update(name);
    return std::move(result_);
  }

 private:
  // A name of its own in the model.
  std::string fresh(const std::string& hint) {
    std::string name = "training/" + hint;
    while (!names_.insert(name).second) name += "_";
    return name;
  }

  std::string add(const char* op, std::vector<std::string> inputs, ir::Attributes attributes = {},
                  const std::string& hint = "") {
    std::string output = fresh(hint.empty() ? op : hint);
    result_.nodes.push_back({"", op, std::move(inputs), {output}, std::move(attributes)});
    return output;
  }

  std::string number(double value, DType type) {
    const std::string name = fresh("number");
    result_.initializers[name] = Tensor::scalar(type, value);
    return name;
  }

  void add_target() {
    target_ = names_.contains("target") ? fresh("target") : "target";
    result_.inputs[target_] = passes::target_type(*model_.graph, options_.loss).tensor;
  }

  // Classes are the second axis of what losses of the standard take.
  std::string scores() {
    const ir::Value* output =
        model_.graph->outputs()[passes::find_output(*model_.graph, options_.loss.output)];
    const ir::Node* node = output->producer();
    const bool is_normalized = node != nullptr && options_.loss.kind == LossKind::kCrossEntropy &&
                               (node->op().name == "Softmax" || node->op().name == "LogSoftmax");
    const ir::Value* value = is_normalized ? node->input(0) : output;
    if (!passes::takes_classes(options_.loss.kind) || value->shape().size() != 3) return value->name();
    return add("Transpose", {value->name()}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  }

  std::string add_class_loss() {
    std::vector<std::string> inputs = {scores(), target_};
    if (!options_.loss.class_weights.empty()) {
      Tensor weights(DType::kFloat, {static_cast<int64_t>(options_.loss.class_weights.size())});
      for (int64_t i = 0; i < weights.size(); ++i)
        weights.set_double(i, options_.loss.class_weights[static_cast<size_t>(i)]);
      inputs.push_back(fresh("class_weights"));
      result_.initializers[inputs.back()] = weights;
    }
    const bool is_nll = options_.loss.kind == LossKind::kNll;
    return add(is_nll ? "NegativeLogLikelihoodLoss" : "SoftmaxCrossEntropyLoss", inputs,
               {{"reduction", std::string("mean")}, {"ignore_index", options_.loss.ignored_class}}, "loss");
  }

  std::string add_loss() {
    const auto mean = [&](const std::string& each) {
      return add("ReduceMean", {each}, {{"keepdims", int64_t{0}}}, "loss");
    };
    switch (options_.loss.kind) {
      case LossKind::kCrossEntropy:
      case LossKind::kNll:
        return add_class_loss();
      case LossKind::kMse: {
        const std::string difference = add("Sub", {scores(), target_});
        return mean(add("Mul", {difference, difference}));
      }
      case LossKind::kL1:
        return mean(add("Abs", {add("Sub", {scores(), target_})}));
      case LossKind::kBinary: {
        const std::string logits = scores();
        return mean(add("Sub", {add("Softplus", {logits}), add("Mul", {logits, target_})}));
      }
      case LossKind::kHuber:
      case LossKind::kKl:
        break;
    }
    fail(ErrorKind::kUsage, "--training-info: the loss '{}' has no description", flags_.loss);
  }

  void add_gradient() {
    std::vector<std::string> constants;
    for (const ir::Value* input : model_.graph->inputs()) constants.push_back(input->name());
    constants.push_back(target_);
    std::vector<std::string> inputs = model_.trained;
    inputs.insert(inputs.end(), constants.begin(), constants.end());
    std::vector<std::string> outputs;
    for (const std::string& name : model_.trained)
      outputs.push_back(gradient_[name] = fresh(name + ".gradient"));
    result_.nodes.push_back(
        {kTraining, "Gradient", inputs, outputs, {{"xs", model_.trained}, {"zs", constants}, {"y", loss_}}});
  }

  void add_counters() {
    const std::string step = fresh("step");
    result_.initializers[step] = Tensor::scalar(DType::kInt64, static_cast<double>(checkpoint_.run.steps));
    step_ = add("Add", {step, number(1, DType::kInt64)}, {}, "step.next");
    result_.updates[step] = step_;
    rate_ = fresh("rate");
    result_.initializers[rate_] = Tensor::scalar(DType::kFloat, learning_rate(flags_));
  }

  const Tensor& parameter(const std::string& name) const {
    return std::find_if(model_.parameters.begin(), model_.parameters.end(),
                        [&](const passes::Parameter& item) { return item.name == name; })
        ->value;
  }

  // The state's value in the checkpoint; bound to the name that the new one gets, which is returned beside
  // it.
  std::pair<std::string, std::string> add_state(const std::string& name, const char* moment) {
    const std::string key = name + "." + moment;
    const auto saved = std::find_if(checkpoint_.optimizer.begin(), checkpoint_.optimizer.end(),
                                    [&](const auto& item) { return item.first == key; });
    if (saved == checkpoint_.optimizer.end()) fail(ErrorKind::kData, "the checkpoint has no '{}'", key);
    const std::string state = fresh(key);
    result_.initializers[state] = saved->second;
    result_.updates[state] = fresh(key + ".next");
    return {state, result_.updates[state]};
  }

  void add_update(const std::string& name) {
    if (parameter(name).dtype() != DType::kFloat && parameter(name).dtype() != DType::kDouble) {
      fail(ErrorKind::kUsage, "--training-info: '{}' is {}; the standard's optimizers take f32 and f64", name,
           dlc::name(parameter(name).dtype()));
    }
    std::string rate = rate_;
    const auto scale = model_.rate_scales.find(name);
    if (scale != model_.rate_scales.end()) rate = add("Mul", {rate_, number(scale->second, DType::kFloat)});
    const std::string next = fresh(name + ".next");
    result_.updates[name] = next;
    const bool decays = parameter(name).rank() > 1;
    const double decay = decays ? options_.optimizer.weight_decay : 0;
    switch (options_.optimizer.kind) {
      case OptimizerKind::kSgd:
        return options_.optimizer.momentum == 0 ? add_descent(name, rate, decay, next)
                                                : add_momentum(name, rate, decay, next);
      case OptimizerKind::kAdam:
        return add_adam(name, rate, decay, next);
      case OptimizerKind::kAdamW:
        return add_adam(decay == 0 ? name : shrunk(name, rate, decay), rate, 0, next, name);
      case OptimizerKind::kAdagrad:
        return add_adagrad(name, rate, decay, next);
      case OptimizerKind::kLion:
        break;
    }
    check(false, "an optimizer that has words");
  }

  std::string in_type_of(const std::string& name, const std::string& number) {
    const DType type = parameter(name).dtype();
    return type == DType::kFloat ? number : add("Cast", {number}, {{"to", static_cast<int64_t>(type)}});
  }

  // The weight with the decay beside the gradient.
  std::string shrunk(const std::string& name, const std::string& rate, double decay) {
    const std::string part = add("Mul", {rate, number(decay, DType::kFloat)});
    const std::string kept = add("Sub", {number(1, DType::kFloat), part});
    return add("Mul", {name, in_type_of(name, kept)});
  }

  void add_descent(const std::string& name, const std::string& rate, double decay, const std::string& next) {
    std::string gradient = gradient_.at(name);
    if (decay != 0)
      gradient = add("Add", {gradient, add("Mul", {name, number(decay, parameter(name).dtype())})});
    const std::string way = add("Mul", {gradient, in_type_of(name, rate)});
    result_.nodes.push_back({"", "Sub", {name, way}, {next}});
  }

  void add_momentum(const std::string& name, const std::string& rate, double decay, const std::string& next) {
    const auto [state, new_state] = add_state(name, "momentum");
    result_.nodes.push_back({kTraining,
                             "Momentum",
                             {rate, step_, name, gradient_.at(name), state},
                             {next, new_state},
                             {{"alpha", options_.optimizer.momentum},
                              {"beta", 1.0},
                              {"norm_coefficient", decay},
                              {"mode", std::string(options_.optimizer.nesterov ? "nesterov" : "standard")}}});
  }

  // `start` is what the step is taken from.
  void add_adam(const std::string& start, const std::string& rate, double decay, const std::string& next,
                const std::string& parameter_name = "") {
    const std::string& name = parameter_name.empty() ? start : parameter_name;
    const auto [first, new_first] = add_state(name, "first_moment");
    const auto [second, new_second] = add_state(name, "second_moment");
    result_.nodes.push_back({kTraining,
                             "Adam",
                             {rate, step_, start, gradient_.at(name), first, second},
                             {next, new_first, new_second},
                             {{"alpha", options_.optimizer.beta1},
                              {"beta", options_.optimizer.beta2},
                              {"epsilon", options_.optimizer.epsilon},
                              {"norm_coefficient", decay},
                              {"norm_coefficient_post", 0.0}}});
  }

  void add_adagrad(const std::string& name, const std::string& rate, double decay, const std::string& next) {
    const auto [state, new_state] = add_state(name, "squares");
    result_.nodes.push_back(
        {kTraining,
         "Adagrad",
         {rate, step_, name, gradient_.at(name), state},
         {next, new_state},
         {{"decay_factor", 0.0}, {"epsilon", options_.optimizer.epsilon}, {"norm_coefficient", decay}}});
  }

  const TrainableModel& model_;
  const TrainingFlags& flags_;
  const passes::TrainingOptions options_;
  const training::Checkpoint& checkpoint_;
  Algorithm result_;
  std::set<std::string> names_;
  std::string target_, loss_, step_, rate_;
  std::map<std::string, std::string> gradient_;  // by parameter
};

}  // namespace

Algorithm describe_step(const TrainableModel& model, const TrainingFlags& flags,
                        const training::Checkpoint& checkpoint) {
  return Description(model, flags, checkpoint).run();
}

}  // namespace dlc::tools
