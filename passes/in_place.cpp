#include "passes/in_place.h"

#include <algorithm>
#include <optional>

#include "passes/liveness.h"
#include "passes/schedule/access.h"
#include "runtime/error.h"

namespace dlc::passes {

using ir::BufferId;

namespace {

class InPlace {
 public:
  explicit InPlace(const ir::Program& program) : program_(program), ranges_(live_ranges(program)) {
    int position = 0;
    number_steps(program.main, position);
  }

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
    return read.last == written.first && reads_what_it_writes(read.last, *from, *to);
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

  // Kernels that are in no loop or branch, by their position as live_ranges() counts it: steps inside of
  // others take positions, and so does the end of a loop.
  void number_steps(const ir::Region& region, int& position, bool is_outermost = true) {
    for (const ir::Step& step : region.steps) {
      ++position;
      if (const auto* kernel = std::get_if<ir::KernelStep>(&step.node)) {
        if (is_outermost) kernels_.emplace_back(position, &kernel->kernel);
      } else if (const auto* branch = std::get_if<ir::IfStep>(&step.node)) {
        number_steps(branch->then_region, position, false);
        number_steps(branch->else_region, position, false);
      } else if (const auto* repeat = std::get_if<ir::RepeatStep>(&step.node)) {
        number_steps(repeat->body, position, false);
        ++position;
      } else if (const auto* loop = std::get_if<ir::WhileStep>(&step.node)) {
        number_steps(loop->body, position, false);
        ++position;
      }
    }
  }

  // Iterations of other loops than serial ones have elements of their own.
  static bool stores_repeatedly(const ir::LoopNest& nest, const Access& store) {
    bool repeats = false;
    ir::for_each_stmt(nest.body, [&](const ir::Stmt& stmt) {
      const auto* loop = std::get_if<ir::For>(&stmt.node);
      if (loop == nullptr || loop->kind != ir::LoopKind::kSerial) return;
      const bool is_around = std::count(store.loops.begin(), store.loops.end(), loop->var) > 0;
      repeats = repeats || (is_around && uses_of(*store.index, loop->var).empty());
    });
    return repeats;
  }

  // Whether the kernel at this position reads an element of `from` only to write the same one of `to`.
  bool reads_what_it_writes(int position, BufferId from, BufferId to) const {
    const auto found = std::find_if(kernels_.begin(), kernels_.end(),
                                    [&](const auto& entry) { return entry.first == position; });
    if (found == kernels_.end()) return false;
    const auto* nest = std::get_if<ir::LoopNest>(&found->second->body);
    if (nest == nullptr) return false;
    const std::vector<Access> all = accesses(nest->body);
    const Access* store = nullptr;
    for (const Access& access : all) {
      if (ir::root_of(program_, access.buffer) != to) continue;
      if (!access.is_store || access.buffer != to || store != nullptr) return false;
      store = &access;
    }
    if (store == nullptr) return false;
    if (stores_repeatedly(*nest, *store)) return false;
    return std::all_of(all.begin(), all.end(), [&](const Access& access) {
      if (ir::root_of(program_, access.buffer) != from) return true;
      return access.buffer == from && access.loops == store->loops &&
             std::equal(access.index->begin(), access.index->end(), store->index->begin(),
                        store->index->end(),
                        [](const ir::Expr& x, const ir::Expr& y) { return ir::same(x, y); });
    });
  }

  const ir::Program& program_;
  const std::vector<LiveRange> ranges_;
  std::vector<std::pair<int, const ir::Kernel*>> kernels_;
};

}  // namespace

std::vector<int> in_place_outputs(const ir::Program& program, std::vector<int> wanted) {
  const InPlace analysis(program);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] >= 0 && !analysis.may_share(static_cast<int>(i), wanted[i])) wanted[i] = -1;
  }
  return wanted;
}

}  // namespace dlc::passes
