#include "passes/fusion/kernel_uses.h"

#include <algorithm>

namespace dlc::passes {

using ir::BufferId;

namespace {

std::vector<BufferId> roots_of(const ir::Program& program, const std::vector<BufferId>& ids) {
  std::vector<BufferId> roots;
  for (BufferId id : ids) {
    const BufferId root = ir::root_of(program, id);
    if (std::find(roots.begin(), roots.end(), root) == roots.end()) roots.push_back(root);
  }
  return roots;
}

bool shares_one(const std::vector<BufferId>& a, const std::vector<BufferId>& b) {
  return std::any_of(a.begin(), a.end(),
                     [&](BufferId id) { return std::find(b.begin(), b.end(), id) != b.end(); });
}

const std::set<size_t>& find_or_empty(const std::map<BufferId, std::set<size_t>>& map, BufferId root) {
  static const std::set<size_t> empty;
  const auto it = map.find(root);
  return it == map.end() ? empty : it->second;
}

}  // namespace

KernelUses::KernelUses(ir::Program& program) : program_(program) {
  collect(program.main);
  for (size_t i = 0; i < entries_.size(); ++i) refresh(i);
}

void KernelUses::collect(ir::Region& region) {
  const int number = regions_++;
  for (ir::Step& step : region.steps) {
    auto& node = step.node;
    if (auto* kernel = std::get_if<ir::KernelStep>(&node)) {
      entries_.push_back({&kernel->kernel, number});
    } else if (auto* bind = std::get_if<ir::BindStep>(&node)) {
      pinned_.insert(ir::root_of(program_, bind->buffer));
    } else if (auto* branch = std::get_if<ir::IfStep>(&node)) {
      pinned_.insert(ir::root_of(program_, branch->condition));
      collect(branch->then_region);
      collect(branch->else_region);
    } else if (auto* repeat = std::get_if<ir::RepeatStep>(&node)) {
      collect(repeat->body);
    } else if (auto* loop = std::get_if<ir::WhileStep>(&node)) {
      if (loop->condition != BufferId::kNone) pinned_.insert(ir::root_of(program_, loop->condition));
      collect(loop->body);
    }
  }
}

const std::set<size_t>& KernelUses::readers(BufferId root) const { return find_or_empty(readers_, root); }
const std::set<size_t>& KernelUses::writers(BufferId root) const { return find_or_empty(writers_, root); }

bool KernelUses::is_private(BufferId root) const {
  return program_.buffer(root).kind == ir::BufferKind::kTemp && !pinned_.contains(root);
}

bool KernelUses::written_between(size_t first, size_t last, const std::vector<BufferId>& roots) const {
  for (size_t i = first + 1; i < last; ++i) {
    if (!entries_[i].dead && shares_one(entries_[i].writes, roots)) return true;
  }
  return false;
}

bool KernelUses::read_between(size_t first, size_t last, BufferId root) const {
  for (size_t i = first + 1; i < last; ++i) {
    if (!entries_[i].dead && shares_one(entries_[i].reads, {root})) return true;
  }
  return false;
}

void KernelUses::forget(size_t number) {
  for (BufferId root : entries_[number].reads) readers_[root].erase(number);
  for (BufferId root : entries_[number].writes) writers_[root].erase(number);
  entries_[number].reads.clear();
  entries_[number].writes.clear();
}

void KernelUses::refresh(size_t number) {
  forget(number);
  Entry& entry = entries_[number];
  entry.reads = roots_of(program_, ir::reads(*entry.kernel));
  entry.writes = roots_of(program_, ir::writes(*entry.kernel));
  for (BufferId root : entry.reads) readers_[root].insert(number);
  for (BufferId root : entry.writes) writers_[root].insert(number);
}

void KernelUses::kill(size_t number) {
  forget(number);
  entries_[number].dead = true;
}

void KernelUses::sweep() {
  std::set<const ir::Kernel*> dead;
  for (const Entry& entry : entries_) {
    if (entry.dead) dead.insert(entry.kernel);
  }
  if (dead.empty()) return;
  ir::for_each_region(program_.main, [&](ir::Region& region) {
    // Found before anything moves: the set holds addresses.
    std::vector<ir::Step> kept;
    kept.reserve(region.steps.size());
    for (ir::Step& step : region.steps) {
      const auto* kernel = std::get_if<ir::KernelStep>(&step.node);
      if (kernel == nullptr || !dead.contains(&kernel->kernel)) kept.push_back(std::move(step));
    }
    region.steps = std::move(kept);
  });
}

}  // namespace dlc::passes
