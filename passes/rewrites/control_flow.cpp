// Branches that are known.
#include "ir/ops/branch.h"
#include "passes/rewrites/rules.h"

namespace dlc::passes {
namespace {

bool take_known_branch(ir::Builder&, ir::Node& node) {
  const ir::Graph* branch = ir::known_branch(node);
  if (branch == nullptr) return false;
  ir::take_branch(node, branch == &ir::branch_of(node, true));
  return true;
}

constexpr ir::Rule kRules[] = {
    {"take_known_branch", "If", take_known_branch},
};

}  // namespace

ir::RuleTable control_flow_rules() { return kRules; }

}  // namespace dlc::passes
