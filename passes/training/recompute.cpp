#include "passes/training/recompute.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "ir/builder.h"
#include "ir/gradient.h"
#include "ir/op.h"
#include "passes/training/minimal_cut.h"
#include "passes/training/product_work.h"

namespace dlc::passes {
namespace {

using ir::Node;
using ir::Value;

// Too much work to be done twice.
constexpr std::string_view kProducts[] = {
    "MatMul", "FusedMatMul", "Gemm", "Conv",      "ConvTranspose",      "Einsum",
    "LSTM",   "GRU",         "RNN",  "Attention", "MultiHeadAttention", "DeformConv"};

// How many bytes must be saved for a multiplication.
double bytes_of_multiplication(Recompute what) {
  switch (what) {
    case Recompute::kThinProducts:
      return 1. / 4;
    case Recompute::kProducts:
      return 1. / 32;
    default:
      return 0;
  }
}

// How many bytes must be saved for a node to be worth repeating; nothing where it may not be.
std::optional<int64_t> price_of(const Node& node, Recompute what) {
  if (ir::has(node.op().traits, ir::Trait::kNondeterministic) || !ir::subgraphs(node).empty())
    return std::nullopt;
  const bool is_cheap =
      ir::has(node.op().traits, ir::Trait::kElementwise) || ir::has(node.op().traits, ir::Trait::kMovement);
  if (is_cheap) return 0;
  if (what == Recompute::kCheap) return std::nullopt;
  if (std::find(std::begin(kProducts), std::end(kProducts), node.op().name) == std::end(kProducts)) return 0;
  const std::optional<double> work = multiplications(node);
  const double bytes = bytes_of_multiplication(what);
  return work && bytes > 0 ? std::optional(static_cast<int64_t>(*work * bytes)) : std::nullopt;
}

// 0 where it is not known.
int64_t bytes_of(const Value& value) {
  if (!value.type().is_tensor() || !ir::is_static(value.shape())) return 0;
  int64_t elements = 1;
  for (int64_t extent : ir::static_shape(value.shape())) elements *= extent;
  return byte_size(value.dtype(), elements);
}

class Recomputation {
 public:
  Recomputation(ir::Graph& graph, Recompute what) : graph_(graph), what_(what) {}

  RecomputePlan run(std::span<Value* const> forward) {
    find_forward(forward);
    find_needed();
    if (needed_.empty() || what_ == Recompute::kNothing)
      return plan(std::vector<bool>(2 * values_.size() + 2, true));
    const std::vector<bool> is_source_side = cut();
    for (size_t i = 0; i < values_.size(); ++i) {
      if (!is_source_side[in(i)]) repeated_.insert(values_[i]);
    }
    const RecomputePlan result = plan(is_source_side);
    replace_uses();
    return {result.saved_bytes, result.recomputed_bytes, copies_.size()};
  }

 private:
  void find_forward(std::span<Value* const> forward) {
    std::vector<Node*> waiting;
    auto visit = [&](const Value* value) {
      if (value == nullptr || value->producer() == nullptr || &value->graph() != &graph_) return;
      if (forward_.insert(value->producer()).second) waiting.push_back(value->producer());
    };
    for (const Value* value : forward) visit(value);
    while (!waiting.empty()) {
      Node* node = waiting.back();
      waiting.pop_back();
      for (const Value* input : node->inputs()) visit(input);
      for (const auto& [name, body] : ir::subgraphs(*node)) {
        for (const Value* value : ir::captured_values(*body)) visit(value);
      }
    }
    for (const auto& node : graph_.nodes()) {
      if (!forward_.contains(node.get())) continue;
      for (Value* output : node->outputs()) {
        if (output == nullptr) continue;
        number_[output] = values_.size();
        values_.push_back(output);
      }
    }
  }

  // Values of the forward pass that the backward pass reads. Sub-graphs read the values themselves.
  void find_needed() {
    for (size_t i = 0; i < values_.size(); ++i) {
      bool is_needed = false;
      for (const ir::Use& use : values_[i]->uses()) {
        if (&use.node->graph() != &graph_) {
          kept_.insert(values_[i]);
        } else if (!forward_.contains(use.node)) {
          is_needed = true;
        }
      }
      if (is_needed) needed_.push_back(i);
    }
  }

  size_t in(size_t i) const { return 2 * i; }
  size_t out(size_t i) const { return 2 * i + 1; }

  // A value is two nodes with an edge of its bytes; from it lead unlimited edges to what is computed of it.
  // Values that must not be computed again come from the source, as others do by as much as that costs;
  // needed ones lead to the sink.
  std::vector<bool> cut() const {
    const size_t source = 2 * values_.size(), sink = source + 1;
    Network network(sink + 1);
    for (size_t i = 0; i < values_.size(); ++i) {
      const Value& value = *values_[i];
      const int64_t bytes = bytes_of(value);
      network.add_edge(in(i), out(i), bytes);
      const Node& node = *value.producer();
      const std::optional<int64_t> price = price_of(node, what_);
      if (bytes == 0 || kept_.contains(&value) || !price) {
        network.add_edge(source, in(i), Network::kUnlimited);
        continue;
      }
      if (*price > 0) network.add_edge(source, in(i), *price);
      for (const Value* input : node.inputs()) {
        auto it = number_.find(input);
        if (it != number_.end()) network.add_edge(out(it->second), in(i), Network::kUnlimited);
      }
    }
    for (size_t i : needed_) network.add_edge(out(i), sink, Network::kUnlimited);
    return network.source_side(source, sink);
  }

  RecomputePlan plan(const std::vector<bool>& is_source_side) const {
    RecomputePlan result;
    for (size_t i : needed_) result.recomputed_bytes += bytes_of(*values_[i]);
    if (what_ == Recompute::kNothing) {
      result.saved_bytes = result.recomputed_bytes;
      return result;
    }
    for (size_t i = 0; i < values_.size(); ++i) {
      if (is_source_side[in(i)] && !is_source_side[out(i)]) result.saved_bytes += bytes_of(*values_[i]);
    }
    return result;
  }

  void replace_uses() {
    std::vector<Node*> backward;
    for (const auto& node : graph_.nodes()) {
      if (!forward_.contains(node.get())) backward.push_back(node.get());
    }
    for (Node* node : backward) {
      for (size_t i = 0; i < node->inputs().size(); ++i) {
        Value* input = node->input(i);
        if (input != nullptr && repeated_.contains(input)) node->set_input(i, copy(input, node));
      }
    }
  }

  // The value as it is computed again, in front of the first node that needs it.
  Value* copy(Value* value, Node* before) {
    std::vector<Node*> waiting = {value->producer()};
    while (!waiting.empty()) {
      Node* node = waiting.back();
      bool is_ready = true;
      for (Value* input : node->inputs()) {
        if (input == nullptr || !repeated_.contains(input) || copies_.contains(input->producer())) continue;
        waiting.push_back(input->producer());
        is_ready = false;
      }
      if (!is_ready) continue;
      waiting.pop_back();
      if (!copies_.contains(node)) copies_[node] = copy_node(*node, before);
    }
    return copies_.at(value->producer())->output(value->output_index());
  }

  Node* copy_node(const Node& node, Node* before) {
    std::vector<Value*> inputs;
    for (Value* input : node.inputs()) inputs.push_back(again(input, before));
    std::vector<std::string> names;
    for (const Value* output : node.outputs())
      names.emplace_back(output == nullptr ? ir::Graph::kAbsent : "");
    Node* result = graph_.add_node(node.op(), std::move(inputs), std::move(names), node.attributes(),
                                   node.name(), before);
    for (size_t i = 0; i < node.outputs().size(); ++i) {
      if (node.output(i) != nullptr) result->output(i)->set_type(node.output(i)->type());
    }
    return result;
  }

  // What a copy reads: another copy, or a value that was kept, as something else than what the forward pass
  // reads, so that the copies are not taken for what is there already.
  Value* again(Value* input, Node* before) {
    if (input == nullptr || input->is_constant()) return input;
    if (repeated_.contains(input)) return copies_.at(input->producer())->output(input->output_index());
    Value*& late = late_[input];
    if (late == nullptr) {
      ir::Builder builder(graph_, before);
      late = builder.op_in("dlc", "Late", {input}, {{"number", static_cast<int64_t>(late_.size())}});
    }
    return late;
  }

  ir::Graph& graph_;
  Recompute what_;
  std::unordered_set<const Node*> forward_;
  std::vector<Value*> values_;  // of the forward pass
  std::unordered_map<const Value*, size_t> number_;
  std::unordered_set<const Value*> kept_;
  std::vector<size_t> needed_;  // numbers of values
  std::unordered_set<const Value*> repeated_;
  std::unordered_map<const Node*, Node*> copies_;
  std::unordered_map<const Value*, Value*> late_;
};

}  // namespace

RecomputePlan recompute(ir::Graph& joint, std::span<Value* const> forward, Recompute what) {
  return Recomputation(joint, what).run(forward);
}

}  // namespace dlc::passes
