#include "passes/training/choose_parameters.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "runtime/error.h"
#include "runtime/glob.h"
#include "runtime/training/random.h"

namespace dlc::passes {
namespace {

// What the random numbers of adapters are drawn with, apart from those of a head.
constexpr uint64_t kAdapterSeed = 0x10ADA;

bool matches_any(const std::vector<std::string>& patterns, const Parameter& parameter) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return matches(pattern, parameter.name) || matches(pattern, parameter.user);
  });
}

class Choice {
 public:
  Choice(ir::Graph& model, const ParameterChoice& choice, std::vector<Parameter> parameters)
      : model_(model), choice_(choice) {
    result_.parameters = std::move(parameters);
  }

  ChosenParameters run() {
    for (const std::string& pattern : choice_.freeze) require_match("freeze", pattern, result_.parameters);
    for (const std::string& pattern : choice_.train) require_match("train", pattern, result_.parameters);
    for (const Parameter& parameter : result_.parameters) {
      if (is_trained(parameter)) result_.trained.push_back(parameter.name);
    }
    if (choice_.adapters) add_adapters(*choice_.adapters);
    if (result_.trained.empty()) fail(ErrorKind::kUsage, "no parameter is left to train");
    choose_rates();
    return std::move(result_);
  }

 private:
  void require_match(const char* field, const std::string& pattern,
                     const std::vector<Parameter>& parameters) const {
    const bool is_found = std::any_of(parameters.begin(), parameters.end(), [&](const Parameter& parameter) {
      return matches_any({pattern}, parameter);
    });
    if (is_found) return;
    fail(ErrorKind::kUsage, "{}{}: no parameter matches '{}'; dlc-train inspect lists them",
         choice_.name_prefix, field, pattern);
  }

  bool is_trained(const Parameter& parameter) const {
    const std::vector<std::string>& head = choice_.new_head;
    if (std::find(head.begin(), head.end(), parameter.name) != head.end()) return true;
    if (parameter.is_statistic || matches_any(choice_.freeze, parameter)) return false;
    return matches_any(choice_.train, parameter) || (choice_.train.empty() && !choice_.adapters);
  }

  // Weights that may get an adapter.
  std::vector<Adapter> find_adapters(const LoraOptions& options) const {
    std::vector<Adapter> found = find_adaptable(model_, options);
    const std::set<std::string> trained(result_.trained.begin(), result_.trained.end());
    std::erase_if(found, [&](const Adapter& adapter) {
      const Parameter* parameter = find(adapter.weight);
      return parameter == nullptr || trained.contains(adapter.weight) ||
             matches_any(choice_.freeze, *parameter);
    });
    return found;
  }

  const Parameter* find(const std::string& name) const {
    const auto found = std::find_if(result_.parameters.begin(), result_.parameters.end(),
                                    [&](const Parameter& parameter) { return parameter.name == name; });
    return found == result_.parameters.end() ? nullptr : &*found;
  }

  void require_target(const std::string& target, const std::vector<Adapter>& found) const {
    std::vector<std::string> names;
    for (const Adapter& adapter : found) {
      if (matches_any({target}, *find(adapter.weight))) return;
      names.push_back(adapter.weight);
    }
    fail(ErrorKind::kUsage, "{}lora: no weight that an adapter can be added to matches '{}'; there are: {}",
         choice_.name_prefix, target, names.empty() ? "none" : fmt::to_string(fmt::join(names, ", ")));
  }

  void add_adapters(const AdapterChoice& choice) {
    std::vector<Adapter> found = find_adapters(choice.options);
    for (const std::string& target : choice.targets) require_target(target, found);
    std::erase_if(
        found, [&](const Adapter& adapter) { return !matches_any(choice.targets, *find(adapter.weight)); });
    training::Random random(training::mixed(choice.seed, kAdapterSeed));
    passes::add_adapters(model_, found, choice.options, [&] { return 2 * random.unit() - 1; });
    std::map<std::string, Tensor> constants;
    for (const ir::Value* value : model_.constants()) constants[value->name()] = value->constant();
    for (const Adapter& adapter : found) {
      for (const std::string& name : {adapter.a(), adapter.b()}) {
        result_.parameters.push_back({name, constants.at(name), adapter.user, false});
        result_.trained.push_back(name);
      }
    }
  }

  void choose_rates() {
    const std::set<std::string> trained(result_.trained.begin(), result_.trained.end());
    std::vector<Parameter> parameters;
    for (const Parameter& parameter : result_.parameters) {
      if (trained.contains(parameter.name)) parameters.push_back(parameter);
    }
    for (const RateScale& scale : choice_.rate_scales) {
      require_match("lr-scale", scale.pattern, parameters);
      for (const Parameter& parameter : parameters) {
        if (matches_any({scale.pattern}, parameter)) result_.rate_scales[parameter.name] = scale.factor;
      }
    }
  }

  ir::Graph& model_;
  const ParameterChoice& choice_;
  ChosenParameters result_;
};

}  // namespace

std::vector<Parameter> stored_parameters(const ir::Graph& model, const std::set<std::string>& stored) {
  std::vector<Parameter> parameters = find_parameters(model);
  std::erase_if(parameters, [&](const Parameter& parameter) { return !stored.contains(parameter.name); });
  return parameters;
}

ChosenParameters choose_parameters(ir::Graph& model, const std::set<std::string>& stored,
                                   const ParameterChoice& choice) {
  return Choice(model, choice, stored_parameters(model, stored)).run();
}

std::map<std::string, Tensor> merge_adapters(const ir::Graph& model, const LoraOptions& options,
                                             std::map<std::string, Tensor> tensors) {
  std::map<std::string, Tensor> weights;
  for (const ir::Value* value : model.constants()) weights[value->name()] = value->constant();
  for (const Adapter& adapter : find_adaptable(model, options)) {
    const auto a = tensors.find(adapter.a());
    const auto b = tensors.find(adapter.b());
    if (a == tensors.end() || b == tensors.end()) continue;
    Tensor weight = merged(adapter, weights.at(adapter.weight), a->second, b->second);
    tensors.erase(a);
    tensors.erase(b);
    tensors[adapter.weight] = std::move(weight);
  }
  return tensors;
}

}  // namespace dlc::passes
