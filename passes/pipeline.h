// The one list of all passes.
#pragma once

#include "passes/pass_manager.h"

namespace dlc::passes {

// In the order of execution. In reference mode nothing is fused, raised or simplified.
std::vector<Pass> pipeline(const Options& options);

// Its beginning, up to the raising of idioms: the form that is differentiated.
std::vector<Pass> normalizing_passes();

// Of the pass before lowering.
std::string last_graph_pass(const Options& options);

// The graph, lowered and ready for emission; empty if `stop_after` names a graph pass.
ir::Program run_pipeline(ir::Graph& graph, const Options& options, PassReport* report = nullptr);

// What of the graph the pipeline would not take, one message a node, found without making a program: the
// graph passes and the lowering are run, going on behind faults. The graph is changed.
std::vector<std::string> find_faults(ir::Graph& graph, const Options& options);

}  // namespace dlc::passes
