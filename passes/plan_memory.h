// plan_memory: where the temporary buffers of a program lie in its arena.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

enum class Place : uint8_t {
  kNone,     // no memory: a view, unused, or not a temporary
  kFixed,    // at `offset` bytes of the arena
  kSlot,     // in slot number `index` of the arena
  kDynamic,  // dynamic buffer number `index`: its size depends on data
  kState,    // at `offset` bytes of the state
};

struct Placement {
  Place place = Place::kNone;
  int64_t offset = 0;
  int32_t index = -1;
};

// The arena holds the buffers of known size in its first `fixed_bytes`, then the slots one after the other.
// Every offset and `fixed_bytes` is a multiple of kArenaAlignment; the size of a slot is the largest of its
// formulas, rounded up to such a multiple. Buffers that are live at the same time do not overlap.
struct MemoryPlan {
  std::vector<Placement> of;  // by BufferId
  int64_t fixed_bytes = 0;
  std::vector<std::vector<ir::Dim>>
      slots;  // sizes in bytes of the buffers that share a slot, without repetition
  int32_t dynamic_buffers = 0;
  int64_t state_bytes = 0;
};

inline constexpr int64_t kArenaAlignment = 64;

// Requires that a buffer accessed in a loop is not used before the loop for other content that the loop
// needs: such a buffer, and every other that a loop accesses, is live from the loop's begin to its end.
MemoryPlan plan_memory(const ir::Program& program);

// Bytes that a root buffer's elements take.
ir::Dim buffer_bytes(const ir::Buffer& buffer);

// Symbols whose value is known only during the run: bound by steps, not by the shapes of inputs.
std::set<std::string> late_symbols(const ir::Program& program);
bool uses_any(const ir::Dim& value, const std::set<std::string>& symbols);

}  // namespace dlc::passes
