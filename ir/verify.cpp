#include "ir/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

class Verifier {
 public:
  explicit Verifier(GraphStage stage) : stage_(stage) {}

  void model(const Graph& graph) {
    for (const auto& [name, info] : graph.symbols()) {
      if (info.from_input) bound_symbols_.insert(name);
    }
    body(graph);
    for (const auto& [value, count] : use_counts_) {
      if (value->uses().size() != count) {
        bad("value '{}': its list has {} uses, the nodes have {}", value->name(), value->uses().size(),
            count);
      }
    }
  }

 private:
  template <class... Args>
  [[noreturn]] static void bad(fmt::format_string<Args...> format, Args&&... args) {
    fail(ErrorKind::kInternal, "the graph is not valid: {}",
         fmt::format(format, std::forward<Args>(args)...));
  }

  void body(const Graph& graph) {
    std::vector<const Value*> defined_here;
    for (const Value* value : graph.inputs()) define(graph, value, nullptr, defined_here);
    for (const Value* value : graph.constants()) define(graph, value, nullptr, defined_here);
    for (const auto& item : graph.nodes()) node(graph, *item, defined_here);
    for (const Value* output : graph.outputs()) {
      if (!defined_.contains(output)) bad("output '{}' of '{}' is not defined", output->name(), graph.name());
    }
    // What a sub-graph defines is not seen outside.
    for (const Value* value : defined_here) defined_.erase(value);
  }

  void define(const Graph& graph, const Value* value, const Node* producer, std::vector<const Value*>& here) {
    if (&value->graph() != &graph)
      bad("value '{}' belongs to another graph than '{}'", value->name(), graph.name());
    if (value->producer() != producer) bad("value '{}' has another producer", value->name());
    if (!names_.insert(value->name()).second) bad("value '{}' is defined twice", value->name());
    use_counts_.try_emplace(value, 0);
    check_type(*value, value->type());
    defined_.insert(value);
    here.push_back(value);
  }

  void node(const Graph& graph, const Node& node, std::vector<const Value*>& here) {
    if (&node.graph() != &graph) bad("{} belongs to another graph than '{}'", node.describe(), graph.name());
    if (stage_ == GraphStage::kExpanded && node.op().lower == nullptr)
      bad("{} has no lower()", node.describe());
    for (size_t i = 0; i < node.inputs().size(); ++i) {
      const Value* input = node.input(i);
      if (input == nullptr) continue;
      if (!defined_.contains(input)) {
        bad("{}: input {} ('{}') is not defined before it", node.describe(), i, input->name());
      }
      ++use_counts_[input];
      const auto& uses = input->uses();
      if (std::find(uses.begin(), uses.end(), Use{const_cast<Node*>(&node), i}) == uses.end()) {
        bad("{}: its use of '{}' is not in the value's list", node.describe(), input->name());
      }
    }
    bound_symbols_.insert(node.symbols().begin(), node.symbols().end());
    for (const auto& [name, child] : subgraphs(node)) {
      if (child->parent() != &graph) bad("{}: graph '{}' has another parent", node.describe(), name);
      body(*child);
    }
    for (size_t i = 0; i < node.outputs().size(); ++i) {
      const Value* output = node.output(i);
      if (output == nullptr) continue;
      if (output->output_index() != i) bad("{}: output {} has another index", node.describe(), i);
      define(graph, output, &node, here);
    }
  }

  void check_type(const Value& value, const Type& type) {
    if (!type.is_tensor()) {
      if (type.element == nullptr) bad("value '{}' has a type without element", value.name());
      return check_type(value, *type.element);
    }
    if (type.tensor.dtype == DType::kUndefined) bad("value '{}' has no type", value.name());
    std::set<std::string> symbols;
    for (const Dim& dim : type.tensor.shape) dim.collect_symbols(symbols);
    for (const std::string& symbol : symbols) {
      if (!bound_symbols_.contains(symbol)) {
        bad("value '{}': {}: nothing binds '{}' before it", value.name(), to_string(type), symbol);
      }
    }
  }

  GraphStage stage_;
  std::unordered_set<const Value*> defined_;
  std::unordered_map<const Value*, size_t> use_counts_;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> bound_symbols_;
};

}  // namespace

void verify(const Graph& graph, GraphStage stage) { Verifier(stage).model(graph); }

}  // namespace dlc::ir
