#include "passes/training/split_prefix.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include <fmt/format.h>

#include "ir/clone.h"
#include "ir/gradient.h"
#include "ir/op.h"
#include "passes/pipeline.h"
#include "passes/training/training_form.h"

namespace dlc::passes {
namespace {

using ir::Graph;
using ir::Node;
using ir::Value;
using Values = std::unordered_set<const Value*>;

// What a node reads, its sub-graphs included.
std::vector<Value*> reads_of(const Node& node) {
  std::vector<Value*> result;
  for (Value* input : node.inputs()) {
    if (input != nullptr) result.push_back(input);
  }
  for (const auto& [name, body] : ir::subgraphs(node)) {
    for (Value* value : ir::captured_values(*body)) result.push_back(value);
  }
  return result;
}

bool any_in(const std::vector<Value*>& values, const Values& set) {
  return std::any_of(values.begin(), values.end(), [&](const Value* value) { return set.contains(value); });
}

int64_t bytes_of(const Value& value) {
  if (!value.type().is_tensor() || !ir::is_static(value.shape())) return INT64_MAX;
  int64_t elements = 1;
  for (int64_t extent : ir::static_shape(value.shape())) elements *= extent;
  return byte_size(value.dtype(), elements);
}

class Splitter {
 public:
  Splitter(const Graph& model, const TrainingOptions& options) : model_(model), options_(options) {}

  PrefixResult run(const std::vector<Parameter>& parameters, const std::vector<std::string>& trained) {
    const std::set<std::string> wanted(trained.begin(), trained.end());
    for (const Value* value : model_.constants()) {
      if (wanted.contains(value->name())) open_.insert(value);
    }
    if (options_.normalization == NormalizationMode::kTrain) open_statistics(parameters);
    data_.insert(model_.inputs().begin(), model_.inputs().end());
    for (const auto& node : model_.nodes()) visit(*node);
    find_features();
    shrink_features();
    if (std::all_of(frozen_.begin(), frozen_.end(), [](const Node* node) { return is_cheap(*node); }))
      return {};
    return make();
  }

 private:
  // Nodes that use statistics of the batch.
  void open_statistics(const std::vector<Parameter>& parameters) {
    std::set<std::string> names;
    for (const Parameter& parameter : parameters) {
      if (parameter.is_statistic) names.insert(parameter.name);
    }
    for (const Value* value : model_.constants()) {
      if (names.contains(value->name())) open_.insert(value);
    }
  }

  void visit(const Node& node) {
    const std::vector<Value*> reads = reads_of(node);
    const bool is_open = any_in(reads, open_) || is_random(node, options_.dropout);
    const bool is_data = any_in(reads, data_);
    for (const Value* output : node.outputs()) {
      if (output == nullptr) continue;
      if (is_open) open_.insert(output);
      if (is_data) data_.insert(output);
    }
    if (!is_open && is_data) frozen_.insert(&node);
  }

  // Values of the data that the rest reads, in the order of the graph.
  void find_features() {
    Values read;
    for (const auto& node : model_.nodes()) {
      if (frozen_.contains(node.get()) || !makes_open(*node)) continue;
      for (const Value* value : reads_of(*node)) read.insert(value);
    }
    for (const Value* output : model_.outputs()) read.insert(output);
    auto add = [&](Value* value) {
      if (value != nullptr && read.contains(value) && data_.contains(value) && !open_.contains(value))
        features_.push_back(value);
    };
    for (Value* input : model_.inputs()) add(input);
    for (const auto& node : model_.nodes()) {
      for (Value* output : node->outputs()) add(output);
    }
  }

  bool makes_open(const Node& node) const {
    return std::any_of(node.outputs().begin(), node.outputs().end(),
                       [&](const Value* output) { return output != nullptr && open_.contains(output); });
  }

  // Values that a feature can be computed from by cheap nodes, and these.
  struct Sources {
    std::vector<Value*> values;
    std::vector<const Node*> nodes;
    int64_t bytes = 0;  // of what is no feature already
  };

  // Puts what cheap nodes compute features from in their places where that is less to keep.
  void shrink_features() {
    for (size_t i = 0; i < features_.size();) {
      const Sources sources = smallest_sources(features_[i]);
      if (sources.nodes.empty()) {
        ++i;
        continue;
      }
      for (const Node* node : sources.nodes) frozen_.erase(node);
      features_.erase(features_.begin() + static_cast<ptrdiff_t>(i));
      for (Value* value : sources.values) {
        if (!is_feature(value)) features_.push_back(value);
      }
    }
  }

  bool is_feature(const Value* value) const {
    return std::find(features_.begin(), features_.end(), value) != features_.end();
  }

  // Goes up through cheap nodes, to the smallest set of values on the way.
  Sources smallest_sources(Value* feature) const {
    constexpr int kMaxNodes = 64;
    Sources now{{feature}, {}, capped_bytes(*feature)};
    Sources best = now;
    for (int steps = 0; steps < kMaxNodes; ++steps) {
      auto it = std::find_if(now.values.begin(), now.values.end(), [&](const Value* value) {
        const Node* node = value->producer();
        return node != nullptr && node->outputs().size() == 1 && is_cheap(*node);
      });
      if (it == now.values.end()) break;
      const Node* node = (*it)->producer();
      now.values.erase(it);
      now.nodes.push_back(node);
      for (Value* value : reads_of(*node)) {
        const bool is_new = data_.contains(value) &&
                            std::find(now.values.begin(), now.values.end(), value) == now.values.end();
        if (is_new) now.values.push_back(value);
      }
      now.bytes = 0;
      for (const Value* value : now.values) now.bytes += is_feature(value) ? 0 : capped_bytes(*value);
      if (now.bytes < best.bytes) best = now;
    }
    return best;
  }

  static int64_t capped_bytes(const Value& value) { return std::min(bytes_of(value), INT64_MAX / 1024); }

  static bool is_cheap(const Node& node) {
    return ir::has(node.op().traits, ir::Trait::kElementwise) ||
           ir::has(node.op().traits, ir::Trait::kMovement);
  }

  // The nodes that the outputs need, with values of the model as inputs and as constants, and `more`
  // constants.
  std::unique_ptr<Graph> part(const std::vector<Value*>& inputs,
                              const std::vector<std::pair<Value*, Tensor>>& constants,
                              const std::vector<Value*>& outputs, const std::vector<std::string>& names,
                              const Values& more = {}) const {
    Values given(inputs.begin(), inputs.end());
    for (const auto& [value, tensor] : constants) given.insert(value);
    Values needed(outputs.begin(), outputs.end());
    std::vector<Node*> nodes;
    for (auto it = model_.nodes().rbegin(); it != model_.nodes().rend(); ++it) {
      Node& node = **it;
      const bool is_needed =
          std::any_of(node.outputs().begin(), node.outputs().end(), [&](const Value* output) {
            return output != nullptr && needed.contains(output) && !given.contains(output);
          });
      if (!is_needed) continue;
      for (const Value* value : reads_of(node)) needed.insert(value);
      nodes.push_back(&node);
    }
    std::reverse(nodes.begin(), nodes.end());
    auto graph = std::make_unique<Graph>(model_.name());
    graph->symbols() = model_.symbols();
    ir::ValueMap values;
    for (Value* input : inputs) values[input] = graph->add_input(input->name(), input->type());
    for (const auto& [value, tensor] : constants) values[value] = graph->add_constant(value->name(), tensor);
    for (Value* value : model_.constants()) {
      if (needed.contains(value) || more.contains(value))
        values[value] = graph->add_constant(value->name(), value->constant());
    }
    ir::copy_nodes(nodes, *graph, values, {});
    std::vector<Value*> results;
    for (Value* output : outputs) results.push_back(values.at(output));
    graph->set_outputs(std::move(results), names);
    ir::infer_types(*graph);
    return graph;
  }

  PrefixResult make() {
    std::vector<std::string> names;
    for (const Value* value : features_) names.push_back(value->name());
    auto prefix = std::make_unique<Prefix>();
    prefix->graph = part(model_.inputs(), {}, features_, names);
    run_passes(normalizing_passes(), *prefix->graph, Options());
    prefix->nodes = frozen_.size();
    prefix->all_nodes = model_.nodes().size();
    std::vector<std::pair<Value*, Tensor>> constants;
    std::vector<Value*> kept, kept_outputs;
    std::vector<std::string> kept_names;
    for (size_t i = 0; i < features_.size(); ++i) {
      Value* output = prefix->graph->outputs()[i];
      if (output->is_constant()) {
        constants.emplace_back(features_[i], output->constant());
        continue;
      }
      if (std::string reason = fault_of(*features_[i], *output); !reason.empty()) return {nullptr, reason};
      kept.push_back(features_[i]);
      kept_outputs.push_back(output);
      kept_names.push_back(names[i]);
      prefix->features.push_back({names[i], output->dtype(), ir::static_shape(output->shape())});
    }
    if (kept.empty()) return {nullptr, "what is trained does not depend on the data"};
    prefix->graph->set_outputs(kept_outputs, kept_names);
    prefix->rest = part(kept, constants, model_.outputs(), model_.output_names(), open_);
    return {std::move(prefix), ""};
  }

  // Why a feature cannot be kept sample by sample; empty: it can.
  std::string fault_of(const Value& feature, const Value& output) const {
    const ir::Dim& batch = model_.inputs().front()->shape().front();
    const bool is_kept = output.type().is_tensor() && bit_width(output.dtype()) >= 8 &&
                         ir::is_static(output.shape()) && !output.shape().empty() &&
                         output.shape().front() == batch;
    if (is_kept) return "";
    return fmt::format("'{}', which it gives to the rest, is {} and has no batch axis", feature.name(),
                       to_string(output.type()));
  }

  const Graph& model_;
  const TrainingOptions& options_;
  Values open_;  // what training changes
  Values data_;  // what depends on the inputs
  std::unordered_set<const Node*> frozen_;
  std::vector<Value*> features_;
};

}  // namespace

int64_t Prefix::bytes_per_sample() const {
  int64_t bytes = 0;
  for (const training::Field& feature : features) {
    int64_t elements = 1;
    for (size_t i = 1; i < feature.shape.size(); ++i) elements *= feature.shape[i];
    bytes += byte_size(feature.dtype, elements);
  }
  return bytes;
}

PrefixResult split_prefix(const Graph& model, const std::vector<Parameter>& parameters,
                          const std::vector<std::string>& trained, const TrainingOptions& options) {
  return Splitter(model, options).run(parameters, trained);
}

}  // namespace dlc::passes
