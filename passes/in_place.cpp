#include "passes/in_place.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "ir/kernel/lower.h"
#include "passes/plan_memory.h"
#include "passes/schedule/access.h"
#include "runtime/error.h"

namespace dlc::passes {

using ir::BufferId;

namespace {

// The kernels that are in no loop or branch, by their position as live_ranges() counts it.
using Kernels = std::vector<std::pair<int, const ir::Kernel*>>;

// Steps inside of others take positions, and so does the end of a loop.
void number_steps(const ir::Region& region, int& position, bool is_outermost, Kernels& kernels) {
  for (const ir::Step& step : region.steps) {
    ++position;
    if (const auto* kernel = std::get_if<ir::KernelStep>(&step.node)) {
      if (is_outermost) kernels.emplace_back(position, &kernel->kernel);
    } else if (const auto* branch = std::get_if<ir::IfStep>(&step.node)) {
      number_steps(branch->then_region, position, false, kernels);
      number_steps(branch->else_region, position, false, kernels);
    } else if (const auto* repeat = std::get_if<ir::RepeatStep>(&step.node)) {
      number_steps(repeat->body, position, false, kernels);
      ++position;
    } else if (const auto* loop = std::get_if<ir::WhileStep>(&step.node)) {
      number_steps(loop->body, position, false, kernels);
      ++position;
    }
  }
}

Kernels outermost_kernels(const ir::Program& program) {
  Kernels kernels;
  int position = 0;
  number_steps(program.main, position, true, kernels);
  return kernels;
}

// Iterations of other loops than serial ones have elements of their own.
bool stores_repeatedly(const ir::LoopNest& nest, const Access& store) {
  bool repeats = false;
  ir::for_each_stmt(nest.body, [&](const ir::Stmt& stmt) {
    const auto* loop = std::get_if<ir::For>(&stmt.node);
    if (loop == nullptr || loop->kind != ir::LoopKind::kSerial) return;
    const bool is_around = std::count(store.loops.begin(), store.loops.end(), loop->var) > 0;
    repeats = repeats || (is_around && uses_of(*store.index, loop->var).empty());
  });
  return repeats;
}

int64_t loads_of(const ir::Expr& e, BufferId buffer) {
  int64_t loads = 0;
  ir::visit(
      e, [&](const ir::ExprNode& node) { loads += node.op == ir::ExprOp::kLoad && node.buffer == buffer; });
  return loads;
}

// Whether all that is loaded of `from` goes into what is stored in `to`: what keeps the store behind the
// loads in code that is generated for buffers with memory of their own.
bool stores_what_it_loads(const ir::LoopNest& nest, BufferId from, BufferId to) {
  std::map<ir::VarId, ir::Expr> scalars;
  std::vector<ir::Expr> waiting;
  ir::for_each_stmt(nest.body, [&](const ir::Stmt& stmt) {
    if (const auto* let = std::get_if<ir::Let>(&stmt.node)) scalars[let->var] = let->value;
    const auto* store = std::get_if<ir::Store>(&stmt.node);
    if (store != nullptr && store->buffer == to) waiting.push_back(store->value);
  });
  int64_t all = 0, stored = 0;
  ir::visit_exprs(nest.body, [&](const ir::Expr& e) { all += loads_of(e, from); });
  while (!waiting.empty()) {
    const ir::Expr e = std::move(waiting.back());
    waiting.pop_back();
    stored += loads_of(e, from);
    for (auto it = scalars.begin(); it != scalars.end();) {
      const bool is_used = ir::uses_var(e, it->first);
      if (is_used) waiting.push_back(it->second);
      it = is_used ? scalars.erase(it) : std::next(it);
    }
  }
  return stored == all;
}

// Whether the kernel reads an element of `from` only to compute the same one of `to`.
bool reads_what_it_writes(const ir::Program& program, const ir::Kernel& kernel, BufferId from, BufferId to) {
  const auto* nest = std::get_if<ir::LoopNest>(&kernel.body);
  if (nest == nullptr) return false;
  const std::vector<Access> all = accesses(nest->body);
  const Access* store = nullptr;
  for (const Access& access : all) {
    if (ir::root_of(program, access.buffer) != to) continue;
    if (!access.is_store || access.buffer != to || store != nullptr) return false;
    store = &access;
  }
  if (store == nullptr || stores_repeatedly(*nest, *store)) return false;
  return std::all_of(all.begin(), all.end(),
                     [&](const Access& access) {
                       if (ir::root_of(program, access.buffer) != from) return true;
                       return access.buffer == from && access.loops == store->loops &&
                              std::equal(access.index->begin(), access.index->end(), store->index->begin(),
                                         store->index->end(),
                                         [](const ir::Expr& x, const ir::Expr& y) { return ir::same(x, y); });
                     }) &&
         stores_what_it_loads(*nest, from, to);
}

class InPlace {
 public:
  explicit InPlace(const ir::Program& program)
      : program_(program), ranges_(live_ranges(program)), kernels_(outermost_kernels(program)) {}

  bool may_share(int output, int input) const {
    const std::optional<BufferId> to = border(ir::BufferKind::kOutput, output);
    const std::optional<BufferId> from = border(ir::BufferKind::kInput, input);
    if (!to || !from) return false;
    const ir::Buffer& a = program_.buffer(*to);
    const ir::Buffer& b = program_.buffer(*from);
    if (a.dtype != b.dtype || a.shape != b.shape || !ir::is_static(a.shape)) return false;
    const LiveRange& written = ranges_[static_cast<size_t>(*to)];
    const LiveRange& read = ranges_[static_cast<size_t>(*from)];
    if (written.empty()) return false;
    if (read.empty() || read.last < written.first) return true;
    if (read.last != written.first) return false;
    const auto found = std::find_if(kernels_.begin(), kernels_.end(),
                                    [&](const auto& entry) { return entry.first == read.last; });
    return found != kernels_.end() && reads_what_it_writes(program_, *found->second, *from, *to);
  }

 private:
  std::optional<BufferId> border(ir::BufferKind kind, int index) const {
    for (size_t i = 0; i < program_.buffers.size(); ++i) {
      const ir::Buffer& buffer = program_.buffers[i];
      if (buffer.kind == kind && !buffer.view && buffer.border_index == index) {
        return static_cast<BufferId>(i);
      }
    }
    return std::nullopt;
  }

  const ir::Program& program_;
  const std::vector<LiveRange> ranges_;
  const Kernels kernels_;
};

bool lie_alike(const ir::Buffer& a, const ir::Buffer& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.order == b.order;
}

}  // namespace

std::vector<int> in_place_outputs(const ir::Program& program, std::vector<int> wanted) {
  const InPlace analysis(program);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] >= 0 && !analysis.may_share(static_cast<int>(i), wanted[i])) wanted[i] = -1;
  }
  return wanted;
}

std::vector<BufferId> shared_temporaries(const ir::Program& program, std::vector<LiveRange>& ranges) {
  std::vector<BufferId> first(program.buffers.size());
  for (size_t i = 0; i < first.size(); ++i) first[i] = static_cast<BufferId>(i);
  // What has a size that only the run knows gets memory when it is made.
  const std::set<std::string> late = late_symbols(program);
  auto is_temporary = [&](const ir::Buffer& buffer) {
    return buffer.kind == ir::BufferKind::kTemp && !buffer.view && !uses_any(buffer_bytes(buffer), late);
  };
  for (const auto& [position, kernel] : outermost_kernels(program)) {
    for (BufferId to : ir::writes(*kernel)) {
      const auto made = static_cast<size_t>(to);
      const bool begins = ranges[made].first == position && ranges[made].last > position;
      if (!is_temporary(program.buffer(to)) || !begins) continue;
      for (BufferId from : ir::reads(*kernel)) {
        const auto read = static_cast<size_t>(from);
        if (from == to || !is_temporary(program.buffer(from))) continue;
        LiveRange& shared = ranges[static_cast<size_t>(first[read])];
        if (shared.last != position || !lie_alike(program.buffer(from), program.buffer(to))) continue;
        if (!reads_what_it_writes(program, *kernel, from, to)) continue;
        first[made] = first[read];
        shared.last = ranges[made].last;
        ranges[made] = {};
        break;
      }
    }
  }
  return first;
}

}  // namespace dlc::passes
