// Rewrite rules: tables of named functions, and the driver that applies them to a fixed point.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/builder.h"
#include "ir/graph.h"

namespace dlc::ir {

struct Rule {
  std::string_view name;  // for messages and bisection
  std::string_view op;    // tried at nodes of this operator ("Conv", "com.microsoft.Gelu"); empty: at all
  // Returns whether the graph has changed. New nodes come from the Builder, which inserts before the node;
  // outputs are replaced with Builder::replace(); a node that is changed in place is inferred again by the
  // driver. A rule erases no node: what has lost its uses is erased by the driver.
  bool (*apply)(Builder&, Node&);
};
using RuleTable = std::span<const Rule>;

// Numbers the rewrites of a whole compilation, so that a wrong one can be found by bisection.
struct RewriteCounter {
  int64_t limit = -1;  // rewrites beyond this number are not applied; -1: no limit
  int64_t count = 0;
  std::vector<std::string> log;  // "12 fold_pad Conv 'c1' (output 'x')", if `keep_log`
  bool keep_log = false;

  bool exhausted() const { return limit >= 0 && count >= limit; }
};

// Applies the rules at all nodes of the graph and its sub-graphs until none applies, erases what has become
// unused and infers all types again. Error(kInternal) naming the rule where rewriting does not end. Returns
// the number of rewrites.
int64_t apply_rules(Graph& graph, std::span<const RuleTable> tables, RewriteCounter& counter);

// Erases nodes none of whose outputs has a use, in sub-graphs too, and unused constants. Returns their
// number.
int64_t erase_dead_nodes(Graph& graph);

}  // namespace dlc::ir
