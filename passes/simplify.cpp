#include <fmt/format.h>

#include "passes/passes.h"
#include "passes/rewrites/quantized.h"
#include "passes/rewrites/rules.h"

namespace dlc::passes {
namespace {

void note_floats(ir::Graph& graph, std::vector<std::string>& notes) {
  for (const auto& node : graph.nodes()) {
    for (auto& [name, body] : ir::subgraphs(*node)) note_floats(*body, notes);
    const std::optional<std::string> why = why_not_integer(*node);
    if (why) notes.push_back(fmt::format("{}: on floats, because {}", node->describe(), *why));
  }
}

}  // namespace

void simplify(ir::Graph& graph, PassContext& context) {
  const ir::RuleTable tables[] = {algebra_rules(), movement_rules(),     conv_rules(),
                                  matmul_rules(),  control_flow_rules(), requantize_rules()};
  ir::apply_rules(graph, tables, context.rewrites);
}

void raise_integers(ir::Graph& graph, PassContext& context) {
  const ir::RuleTable tables[] = {quantization_rules()};
  ir::apply_rules(graph, tables, context.rewrites);
  if (context.notes != nullptr) note_floats(graph, *context.notes);
}

void raise_idioms(ir::Graph& graph, PassContext& context) {
  const ir::RuleTable tables[] = {normalization_rules(), activation_rules(), attention_rules()};
  ir::apply_rules(graph, tables, context.rewrites);
}

}  // namespace dlc::passes
