// Branches that are known.
#include "ir/clone.h"
#include "passes/rewrites/match.h"
#include "passes/rewrites/rules.h"

namespace dlc::passes {
namespace {

bool take_known_branch(ir::Builder& builder, ir::Node& node) {
  std::optional<double> condition = splat(node.input(0));
  if (!condition) return false;
  const auto& branch =
      node.attribute<std::shared_ptr<ir::Graph>>(*condition != 0 ? "then_branch" : "else_branch");
  std::vector<ir::Value*> outputs = ir::inline_body(*branch, builder.graph(), &node, {});
  for (size_t i = 0; i < outputs.size(); ++i) builder.replace(node, i, outputs[i]);
  return true;
}

constexpr ir::Rule kRules[] = {
    {"take_known_branch", "If", take_known_branch},
};

}  // namespace

ir::RuleTable control_flow_rules() { return kRules; }

}  // namespace dlc::passes
