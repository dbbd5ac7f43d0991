#include "passes/pipeline.h"

#include "ir/kernel/lower.h"
#include "passes/choose_layouts.h"
#include "passes/choose_schedules.h"
#include "passes/expand_math.h"
#include "passes/fusion/fuse_kernels.h"
#include "passes/order_steps.h"
#include "passes/passes.h"
#include "passes/round_operands.h"
#include "passes/unpack_subbytes.h"
#include "runtime/error.h"

namespace dlc::passes {

std::vector<Pass> normalizing_passes() {
  return {
      // Values that are known at compile time.
      {.name = "eliminate", .run = eliminate},
      {.name = "fold_constants", .run = fold_constants},
      {.name = "simplify", .run = simplify},
      {.name = "fold_constants", .run = fold_constants},
      // One normal form for what exporters write in many.
      {.name = "raise_idioms", .run = raise_idioms},
  };
}

std::vector<Pass> pipeline(const Options& options) {
  const Pass expand{.name = "expand_composites", .run = expand_composites, .expands = true, .required = true};
  const Pass lower{.name = "lower_to_kernels", .run = ir::lower_to_kernels, .required = true};
  const Pass schedule{
      .name = "choose_schedules", .run = choose_schedules, .schedules = true, .required = true};
  if (options.reference) {
    return {
        {.name = "fold_constants", .run = fold_constants},
        expand,
        {.name = "fold_constants", .run = fold_constants},
        {.name = "eliminate", .run = eliminate},
        lower,
        {.name = "unpack_subbytes", .run = unpack_subbytes, .required = true},
        {.name = "choose_layouts", .run = choose_layouts, .required = true},
        schedule,
    };
  }
  std::vector<Pass> passes = {
      {.name = "eliminate", .run = eliminate},
      {.name = "raise_integers", .run = raise_integers},
  };
  for (const Pass& pass : normalizing_passes()) passes.push_back(pass);
  const Pass others[] = {
      // Everything has a kernel afterwards.
      expand,
      {.name = "fold_constants", .run = fold_constants},
      {.name = "simplify", .run = simplify},
      {.name = "fold_constants", .run = fold_constants},
      {.name = "eliminate", .run = eliminate},
      lower,
      {.name = "unpack_subbytes", .run = unpack_subbytes, .required = true},
      {.name = "round_operands", .run = round_operands},
      // Values between kernels lose their memory, then what is left gets a place and an order.
      {.name = "fuse_kernels", .run = fuse_kernels},
      {.name = "elide_copies", .run = elide_copies},
      {.name = "choose_layouts", .run = choose_layouts, .required = true},
      schedule,
      {.name = "expand_math", .run = static_cast<ProgramPass>(expand_math)},
      {.name = "order_steps", .run = order_steps},
  };
  passes.insert(passes.end(), std::begin(others), std::end(others));
  return passes;
}

std::string last_graph_pass(const Options& options) {
  std::string last;
  for (const Pass& pass : pipeline(options)) {
    if (std::holds_alternative<GraphPass>(pass.run)) last = pass.name;
  }
  return last;
}

ir::Program run_pipeline(ir::Graph& graph, const Options& options, PassReport* report) {
  return run_passes(pipeline(options), graph, options, report);
}

std::vector<std::string> find_faults(ir::Graph& graph, const Options& options) {
  std::vector<std::string> faults;
  ir::RewriteCounter rewrites;
  PassContext context{options, rewrites, &faults};
  try {
    for (const Pass& pass : pipeline(options)) {
      if (const auto* run = std::get_if<GraphPass>(&pass.run)) (*run)(graph, context);
    }
    const std::vector<std::string> more = ir::find_lowering_faults(graph);
    faults.insert(faults.end(), more.begin(), more.end());
  } catch (const Error& error) {
    // Of the whole graph: there is nothing to go on with.
    faults.emplace_back(error.what());
  }
  return faults;
}

}  // namespace dlc::passes
