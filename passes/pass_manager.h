// The choke point through which every pass runs: it verifies, times, dumps, disables and stops.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ir/kernel/lower.h"
#include "ir/rewrite.h"
#include "passes/options.h"

namespace dlc::passes {

// What graph passes share.
struct PassContext {
  const Options& options;
  ir::RewriteCounter& rewrites;
  // Where expand_composites() collects the faults of nodes, which it then erases; null: it throws the first.
  std::vector<std::string>* faults = nullptr;
  // Where passes say why a node does not run as it might, "Conv 'c' (output 'y'): ..."; null: nobody asks.
  std::vector<std::string>* notes = nullptr;
};

using GraphPass = void (*)(ir::Graph&, PassContext&);
using LowerPass = ir::Program (*)(const ir::Graph&, const ir::LowerOptions&);
using ProgramPass = void (*)(ir::Program&, const Options&);

struct Pass {
  std::string_view name;
  std::variant<GraphPass, LowerPass, ProgramPass> run;
  // What the graph must be like after this pass and the ones that follow.
  bool expands = false;
  // Loops are as machine code runs them afterwards (indices beyond their axis, loops inside of lanes), which
  // the verifier of programs does not take.
  bool schedules = false;
  // Without it there is no program to emit: it cannot be disabled.
  bool required = false;
};

struct PassReport {
  std::vector<std::pair<std::string, double>> seconds;  // in the order of execution
  int64_t rewrites = 0;
  int graph_nodes = 0;             // before lowering
  bool stopped = false;            // by Options::stop_after
  std::vector<std::string> notes;  // PassContext::notes
  bool lowered = false;            // if not, the program is empty and the graph is the result
};

// Runs the passes in order. The graph is changed; the result is empty if `stop_after` names a graph pass.
// Error(kUsage) for a pass name in the options that does not exist. Errors gain the frame "in pass 'name'".
ir::Program run_passes(const std::vector<Pass>& passes, ir::Graph& graph, const Options& options,
                       PassReport* report = nullptr);

}  // namespace dlc::passes
