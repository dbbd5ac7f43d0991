#include "passes/plan_memory.h"

#include <algorithm>
#include <numeric>
#include <variant>

#include "passes/in_place.h"
#include "passes/liveness.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

constexpr int64_t kHint = 64;  // what symbols are assumed to be when buffers of symbolic size are compared

struct Item {
  size_t buffer;
  ir::Dim bytes;
  int64_t size;  // exact, or at hint values
  LiveRange range;
};

int64_t round_up(int64_t bytes) {
  int64_t rounded = 0;
  if (__builtin_add_overflow(bytes, kArenaAlignment - 1, &rounded)) {
    fail(ErrorKind::kResource, "the memory for intermediate values overflows");
  }
  return rounded / kArenaAlignment * kArenaAlignment;
}

int64_t size_at_hint(const ir::Dim& bytes) {
  try {
    return std::max<int64_t>(0, bytes.evaluate([](const std::string&) { return kHint; }));
  } catch (const Error&) {
    return kHint;  // impossible at the hint: any number will do
  }
}

void sort_by_size(std::vector<Item>& items) {
  std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.size > b.size; });
}

// Largest first, each at the lowest offset of the tightest gap between those that are live at the same time.
int64_t place_fixed(std::vector<Item> items, std::vector<Placement>& of) {
  sort_by_size(items);
  int64_t total = 0;
  std::vector<const Item*> placed;  // by offset
  for (const Item& item : items) {
    int64_t size = round_up(item.size);
    int64_t end = 0;
    int64_t best_offset = -1;
    int64_t best_gap = 0;
    for (const Item* other : placed) {
      if (!other->range.overlaps(item.range)) continue;
      int64_t begin = of[other->buffer].offset;
      if (begin - end >= size && (best_offset < 0 || begin - end < best_gap)) {
        best_offset = end;
        best_gap = begin - end;
      }
      end = std::max(end, begin + round_up(other->size));
    }
    int64_t offset = best_offset >= 0 ? best_offset : end;
    of[item.buffer] = {Place::kFixed, offset, -1};
    total = std::max(total, round_up(offset + size));
    auto after = std::find_if(placed.begin(), placed.end(),
                              [&](const Item* other) { return of[other->buffer].offset > offset; });
    placed.insert(after, &item);
  }
  return total;
}

// Largest first, each into the slot that is free and closest in size; a slot's first member is its largest.
void place_in_slots(std::vector<Item> items, MemoryPlan& plan) {
  sort_by_size(items);
  std::vector<std::vector<const Item*>> members;
  for (const Item& item : items) {
    size_t best = members.size();
    for (size_t s = 0; s < members.size(); ++s) {
      bool is_free = std::none_of(members[s].begin(), members[s].end(),
                                  [&](const Item* other) { return other->range.overlaps(item.range); });
      bool is_closer = best == members.size() || members[s].front()->size < members[best].front()->size;
      if (is_free && is_closer) best = s;
    }
    if (best == members.size()) {
      members.emplace_back();
      plan.slots.emplace_back();
    }
    members[best].push_back(&item);
    std::vector<ir::Dim>& sizes = plan.slots[best];
    if (std::find(sizes.begin(), sizes.end(), item.bytes) == sizes.end()) sizes.push_back(item.bytes);
    plan.of[item.buffer] = {Place::kSlot, 0, static_cast<int32_t>(best)};
  }
}

void collect_late(const ir::Region& region, std::set<std::string>& symbols) {
  ir::for_each_step(region, [&](const ir::Step& step) {
    if (auto* bind = std::get_if<ir::BindStep>(&step.node)) symbols.insert(bind->symbol);
    if (auto* set = std::get_if<ir::SetStep>(&step.node)) symbols.insert(set->symbol);
    if (auto* repeat = std::get_if<ir::RepeatStep>(&step.node)) symbols.insert(repeat->symbol);
    if (auto* loop = std::get_if<ir::WhileStep>(&step.node)) symbols.insert(loop->counter);
    if (auto* kernel = std::get_if<ir::KernelStep>(&step.node)) {
      auto* call = std::get_if<ir::Call>(&kernel->kernel.body);
      if (call == nullptr) return;
      for (const ir::Call::Binding& binding : call->bindings) symbols.insert(binding.symbol);
    }
  });
}

void place_state(const ir::Buffer& buffer, Placement& placement, MemoryPlan& plan) {
  ir::Dim bytes = buffer_bytes(buffer);
  check(bytes.is_constant(), "the size of a state buffer is known when the model is compiled");
  placement = {Place::kState, plan.state_bytes, -1};
  plan.state_bytes += round_up(bytes.value());
}

}  // namespace

ir::Dim buffer_bytes(const ir::Buffer& buffer) {
  int bits = bit_width(buffer.dtype);
  ir::Dim count = ir::product(buffer.shape);
  return bits >= 8 ? count * ir::Dim(bits / 8) : ir::ceil_div(count * ir::Dim(bits), 8);
}

std::set<std::string> late_symbols(const ir::Program& program) {
  std::set<std::string> symbols;
  collect_late(program.main, symbols);
  return symbols;
}

bool uses_any(const ir::Dim& value, const std::set<std::string>& symbols) {
  if (symbols.empty() || value.is_constant()) return false;
  std::set<std::string> used;
  value.collect_symbols(used);
  return std::any_of(used.begin(), used.end(), [&](const std::string& s) { return symbols.contains(s); });
}

MemoryPlan plan_memory(const ir::Program& program) {
  MemoryPlan plan;
  plan.of.resize(program.buffers.size());
  std::vector<LiveRange> ranges = live_ranges(program);
  const std::vector<ir::BufferId> first = shared_temporaries(program, ranges);
  std::set<std::string> late = late_symbols(program);
  std::vector<Item> fixed, symbolic;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const ir::Buffer& buffer = program.buffers[i];
    if (buffer.view || ranges[i].empty()) continue;
    if (buffer.kind == ir::BufferKind::kState) place_state(buffer, plan.of[i], plan);
    if (buffer.kind != ir::BufferKind::kTemp) continue;
    ir::Dim bytes = buffer_bytes(buffer);
    if (uses_any(bytes, late)) {
      plan.of[i] = {Place::kDynamic, 0, plan.dynamic_buffers++};
    } else if (bytes.is_constant()) {
      fixed.push_back({i, bytes, bytes.value(), ranges[i]});
    } else {
      symbolic.push_back({i, bytes, size_at_hint(bytes), ranges[i]});
    }
  }
  plan.fixed_bytes = place_fixed(std::move(fixed), plan.of);
  place_in_slots(std::move(symbolic), plan);
  for (size_t i = 0; i < first.size(); ++i) plan.of[i] = plan.of[static_cast<size_t>(first[i])];
  return plan;
}

}  // namespace dlc::passes
