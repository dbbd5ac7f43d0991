#include "passes/passes.h"
#include "passes/rewrites/rules.h"

namespace dlc::passes {

void simplify(ir::Graph& graph, PassContext& context) {
  const ir::RuleTable tables[] = {algebra_rules(), movement_rules(), conv_rules(), matmul_rules(),
                                  control_flow_rules()};
  ir::apply_rules(graph, tables, context.rewrites);
}

void raise_idioms(ir::Graph& graph, PassContext& context) {
  const ir::RuleTable tables[] = {normalization_rules(), activation_rules(), attention_rules()};
  ir::apply_rules(graph, tables, context.rewrites);
}

}  // namespace dlc::passes
