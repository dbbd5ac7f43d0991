#include <unordered_map>

#include "ir/equal.h"
#include "ir/op.h"
#include "passes/passes.h"

namespace dlc::passes {
namespace {

// Constants up to this size are compared by content, larger ones by storage.
constexpr int64_t kMaxComparedElements = 4096;

void mix(size_t& seed, size_t value) { seed ^= value + 0x9e3779b97f4a7c15 + (seed << 6) + (seed >> 2); }

size_t hash_of(const ir::Node& node) {
  size_t seed = std::hash<const void*>()(&node.op());
  for (const ir::Value* input : node.inputs()) mix(seed, std::hash<const void*>()(input));
  mix(seed, ir::hash(node.attributes()));
  return seed;
}

bool may_merge(const ir::Node& node) {
  return !ir::has(node.op().traits, ir::Trait::kNondeterministic) && ir::subgraphs(node).empty();
}

bool computes_same(const ir::Node& a, const ir::Node& b) {
  if (&a.op() != &b.op() || a.inputs().size() != b.inputs().size()) return false;
  if (!std::equal(a.inputs().begin(), a.inputs().end(), b.inputs().begin())) return false;
  return ir::equal(a.attributes(), b.attributes());
}

// Every output that `other` has.
bool has_outputs_of(const ir::Node& node, const ir::Node& other) {
  for (size_t i = 0; i < other.outputs().size(); ++i) {
    if (other.output(i) != nullptr && node.output(i) == nullptr) return false;
  }
  return true;
}

bool same_constant(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape() || a.dtype() == DType::kString) return false;
  return a.data() == b.data() || (a.size() <= kMaxComparedElements && identical(a, b));
}

class Merger {
 public:
  explicit Merger(ir::RewriteCounter& counter) : counter_(counter) {}

  bool graph(ir::Graph& graph) {
    bool changed = constants(graph);
    std::unordered_multimap<size_t, ir::Node*> seen;
    for (const auto& item : graph.nodes()) {
      for (auto& [name, body] : ir::subgraphs(*item)) changed |= this->graph(*body);
      changed |= node(graph, *item, seen);
    }
    return changed;
  }

  // Symbols of merged nodes and those that they are now.
  const std::map<std::string, ir::Dim>& symbols() const { return symbols_; }

 private:
  bool constants(ir::Graph& graph) {
    std::unordered_multimap<size_t, ir::Value*> seen;
    bool changed = false;
    for (ir::Value* value : graph.constants()) {
      const Tensor& tensor = value->constant();
      bool small = tensor.size() <= kMaxComparedElements;
      size_t key = small ? ir::hash(tensor) : std::hash<const void*>()(tensor.data());
      auto [begin, end] = seen.equal_range(key);
      auto it = std::find_if(begin, end,
                             [&](auto& entry) { return same_constant(entry.second->constant(), tensor); });
      if (it == end) {
        seen.emplace(key, value);
      } else if (value->has_uses()) {
        graph.replace_all_uses(value, it->second);
        changed = true;
      }
    }
    return changed;
  }

  bool node(ir::Graph& graph, ir::Node& node, std::unordered_multimap<size_t, ir::Node*>& seen) {
    if (counter_.exhausted() || !may_merge(node)) return false;
    size_t key = hash_of(node);
    auto [begin, end] = seen.equal_range(key);
    auto it = std::find_if(begin, end, [&](auto& entry) {
      return computes_same(*entry.second, node) && has_outputs_of(*entry.second, node);
    });
    if (it == end) {
      seen.emplace(key, &node);
      return false;
    }
    ir::Node& kept = *it->second;
    for (size_t i = 0; i < node.outputs().size(); ++i) {
      if (node.output(i) == nullptr) continue;
      graph.replace_all_uses(node.output(i), kept.output(i));
      graph.pass_name(node.output(i), kept.output(i));
    }
    for (size_t i = 0; i < std::min(node.symbols().size(), kept.symbols().size()); ++i) {
      symbols_[node.symbols()[i]] = ir::Dim::symbol(kept.symbols()[i]);
    }
    ++counter_.count;
    return true;
  }

  ir::RewriteCounter& counter_;
  std::map<std::string, ir::Dim> symbols_;
};

// Inference follows merged symbols through types; attributes hold them as text.
void rename_symbols(ir::Graph& graph, const std::map<std::string, ir::Dim>& symbols) {
  for (const auto& node : graph.nodes()) {
    for (auto& [name, body] : ir::subgraphs(*node)) rename_symbols(*body, symbols);
    if (node->op().domain != "dlc" || !node->has("dims")) continue;
    auto texts = node->attribute<std::vector<std::string>>("dims");
    for (std::string& text : texts) text = ir::Dim::parse(text).substitute(symbols).to_string();
    node->set_attribute("dims", std::move(texts));
  }
}

}  // namespace

void eliminate(ir::Graph& graph, PassContext& context) {
  int64_t erased = ir::erase_dead_nodes(graph);
  Merger merger(context.rewrites);
  bool merged = merger.graph(graph);
  if (!merged && erased == 0) return;
  ir::erase_dead_nodes(graph);
  if (!merger.symbols().empty()) rename_symbols(graph, merger.symbols());
  ir::infer_types(graph);
}

}  // namespace dlc::passes
