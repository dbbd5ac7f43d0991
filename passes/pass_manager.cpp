#include "passes/pass_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "ir/kernel/text.h"
#include "ir/kernel/verify.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const Pass& find_pass(const std::vector<Pass>& passes, const std::string& name) {
  std::vector<std::string_view> known;
  for (const Pass& pass : passes) {
    if (pass.name == name) return pass;
    if (std::find(known.begin(), known.end(), pass.name) == known.end()) known.push_back(pass.name);
  }
  fail(ErrorKind::kUsage, "there is no pass '{}'; passes are {}", name, fmt::join(known, ", "));
}

class Manager {
 public:
  Manager(ir::Graph& graph, const Options& options, PassReport& report)
      : graph_(graph), options_(options), report_(report) {
    rewrites_.limit = options.rewrite_limit;
    rewrites_.keep_log = wants_dump("rewrites");
  }

  ir::Program run(const std::vector<Pass>& passes) {
    for (size_t i = 0; i < passes.size() && !report_.stopped; ++i) {
      if (options_.progress) {
        options_.progress(passes[i].name, static_cast<int>(i), static_cast<int>(passes.size()));
      }
      one(passes[i]);
      report_.stopped = passes[i].name == options_.stop_after && last_of_name(passes, i);
    }
    report_.rewrites = rewrites_.count;
    if (rewrites_.keep_log) options_.dump("rewrites", fmt::format("{}\n", fmt::join(rewrites_.log, "\n")));
    return std::move(program_);
  }

 private:
  // A pass may run several times; stopping after it means after its last run.
  static bool last_of_name(const std::vector<Pass>& passes, size_t i) {
    return std::none_of(passes.begin() + static_cast<std::ptrdiff_t>(i) + 1, passes.end(),
                        [&](const Pass& pass) { return pass.name == passes[i].name; });
  }

  bool wants_dump(std::string_view name) const {
    return options_.dump && (contains(options_.dump_after, name) || contains(options_.dump_after, "all"));
  }

  void one(const Pass& pass) {
    bool is_graph_pass = std::holds_alternative<GraphPass>(pass.run);
    if (contains(options_.disabled_passes, pass.name)) return;
    auto begin = std::chrono::steady_clock::now();
    try {
      apply(pass);
    } catch (Error& error) {
      // A fault of the model is told in the model's terms.
      if (error.kind() == ErrorKind::kInternal) error.add_context(fmt::format("in pass '{}'", pass.name));
      throw;
    }
    std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    report_.seconds.emplace_back(pass.name, taken.count());
    if (is_graph_pass && (options_.verify || pass.expands)) check_graph(pass);
    scheduled_ |= pass.schedules;
    if (!is_graph_pass && options_.verify && !scheduled_) check_program(pass);
    if (wants_dump(pass.name)) dump(pass.name, is_graph_pass);
  }

  void apply(const Pass& pass) {
    if (auto* run = std::get_if<GraphPass>(&pass.run)) {
      PassContext context{options_, rewrites_, nullptr, &report_.notes};
      (*run)(graph_, context);
    } else if (auto* lower = std::get_if<LowerPass>(&pass.run)) {
      ir::verify(graph_, ir::GraphStage::kExpanded);
      report_.graph_nodes = static_cast<int>(graph_.nodes().size());
      program_ = (*lower)(graph_, {.max_iterations = options_.max_iterations});
      report_.lowered = true;
    } else {
      std::get<ProgramPass>(pass.run)(program_, options_);
    }
  }

  void check_graph(const Pass& pass) {
    if (pass.expands) stage_ = ir::GraphStage::kExpanded;
    try {
      ir::verify(graph_, stage_);
    } catch (Error& error) {
      error.add_context(fmt::format("after pass '{}'", pass.name));
      throw;
    }
  }

  void check_program(const Pass& pass) {
    try {
      ir::verify(program_);
    } catch (Error& error) {
      error.add_context(fmt::format("after pass '{}'", pass.name));
      throw;
    }
  }

  void dump(std::string_view name, bool is_graph_pass) {
    std::string text = is_graph_pass ? ir::to_text(graph_) : ir::to_text(program_);
    if (text == last_dump_) text = "(unchanged)\n";
    options_.dump(name, text);
    if (text != "(unchanged)\n") last_dump_ = std::move(text);
  }

  ir::Graph& graph_;
  const Options& options_;
  PassReport& report_;
  ir::RewriteCounter rewrites_;
  ir::Program program_;
  ir::GraphStage stage_ = ir::GraphStage::kImported;
  bool scheduled_ = false;
  std::string last_dump_;
};

}  // namespace

ir::Program run_passes(const std::vector<Pass>& passes, ir::Graph& graph, const Options& options,
                       PassReport* report) {
  for (const std::string& name : options.disabled_passes) {
    if (find_pass(passes, name).required) {
      fail(ErrorKind::kUsage, "pass '{}' cannot be disabled: without it there is no code", name);
    }
  }
  for (const std::string& name : options.dump_after) {
    if (name != "all" && name != "rewrites") find_pass(passes, name);
  }
  if (!options.stop_after.empty()) find_pass(passes, options.stop_after);
  PassReport unused;
  return Manager(graph, options, report == nullptr ? unused : *report).run(passes);
}

}  // namespace dlc::passes
