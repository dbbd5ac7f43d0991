#include <algorithm>

#include "ir/builder.h"
#include "ir/op.h"
#include "passes/evaluate.h"
#include "passes/passes.h"

namespace dlc::passes {
namespace {

// Longer integer values are data, not shapes.
constexpr size_t kMaxKnownValues = 1024;

bool is_dims(const ir::Node& node) { return node.op().domain == "dlc" && node.op().name == "Dims"; }

// dlc.Dims, or a conversion of it.
bool comes_from_dims(const ir::Node& node) {
  if (is_dims(node)) return true;
  const ir::Node* inner = node.has("to") && node.input(0) != nullptr ? node.input(0)->producer() : nullptr;
  return inner != nullptr && is_dims(*inner);
}

bool known_at_entry(const ir::Dim& dim, const ir::Graph& graph) {
  std::set<std::string> symbols;
  dim.collect_symbols(symbols);
  return std::all_of(symbols.begin(), symbols.end(), [&](const std::string& symbol) {
    auto it = graph.symbols().find(symbol);
    return it != graph.symbols().end() && it->second.from_input;
  });
}

Tensor tensor_of(const std::vector<ir::Dim>& values, const ir::TensorType& type) {
  Tensor result(type.dtype, ir::static_shape(type.shape));
  for (size_t i = 0; i < values.size(); ++i) result.set_int(static_cast<int64_t>(i), values[i].value());
  return result;
}

class Folder {
 public:
  explicit Folder(ir::RewriteCounter& counter) : counter_(counter) {}

  bool graph(ir::Graph& graph) {
    bool changed = false;
    for (auto it = graph.nodes().begin(); it != graph.nodes().end(); ++it) {
      ir::Node& node = **it;
      for (auto& [name, body] : ir::subgraphs(node)) changed |= this->graph(*body);
      if (counter_.exhausted() || !is_used(node)) continue;
      if (known_values(graph, node) || evaluated(graph, node)) {
        ++counter_.count;
        changed = true;
      }
    }
    return changed;
  }

 private:
  static bool is_used(const ir::Node& node) {
    return std::any_of(node.outputs().begin(), node.outputs().end(),
                       [](const ir::Value* value) { return value != nullptr && value->has_uses(); });
  }

  static void replace(ir::Graph& graph, ir::Value* from, ir::Value* to) {
    graph.replace_all_uses(from, to);
    graph.pass_name(from, to);
  }

  // Outputs whose elements inference has found.
  bool known_values(ir::Graph& graph, ir::Node& node) {
    bool changed = false;
    for (ir::Value* output : node.outputs()) {
      if (output == nullptr || !output->has_uses() || !output->shape_value()) continue;
      const std::vector<ir::Dim>& values = *output->shape_value();
      bool is_whole = is_integer(output->dtype()) || output->dtype() == DType::kBool;
      if (!is_whole || values.size() > kMaxKnownValues || !ir::is_static(output->shape())) continue;
      if (ir::is_static(values)) {
        replace(graph, output, graph.add_constant("", tensor_of(values, output->tensor_type())));
        changed = true;
      } else if (!comes_from_dims(node) && may_be_dims(graph, *output, values)) {
        replace(graph, output, make_dims(graph, node, *output, values));
        changed = true;
      }
    }
    return changed;
  }

  static bool may_be_dims(const ir::Graph& graph, const ir::Value& output,
                          const std::vector<ir::Dim>& values) {
    return is_integer(output.dtype()) && std::all_of(values.begin(), values.end(), [&](const ir::Dim& value) {
             return known_at_entry(value, graph);
           });
  }

  static ir::Value* make_dims(ir::Graph& graph, ir::Node& node, const ir::Value& output,
                              const std::vector<ir::Dim>& values) {
    ir::Builder builder(graph, &node, &node);
    std::vector<std::string> texts;
    for (const ir::Dim& value : values) texts.push_back(value.to_string());
    ir::Attributes attributes = {{"dims", std::move(texts)}};
    if (output.shape().empty()) attributes["scalar"] = int64_t{1};
    return builder.cast(builder.op_in("dlc", "Dims", {}, std::move(attributes)), output.dtype());
  }

  static bool evaluated(ir::Graph& graph, ir::Node& node) {
    std::optional<std::vector<Tensor>> results = evaluate(node);
    if (!results) return false;
    for (size_t i = 0; i < results->size(); ++i) {
      if (node.output(i) != nullptr) replace(graph, node.output(i), graph.add_constant("", (*results)[i]));
    }
    return true;
  }

  ir::RewriteCounter& counter_;
};

}  // namespace

void fold_constants(ir::Graph& graph, PassContext& context) {
  Folder folder(context.rewrites);
  // A fold may let inference know more, in the values of shapes that it makes constant.
  while (folder.graph(graph)) {
    ir::erase_dead_nodes(graph);
    ir::infer_types(graph);
  }
}

}  // namespace dlc::passes
