// When the memory of each buffer of a program is in use.
#pragma once

#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// Numbers of steps in the order of a pre-order walk, both ends included. Empty where first > last.
struct LiveRange {
  int first = 1;
  int last = 0;

  bool empty() const { return first > last; }
  bool overlaps(const LiveRange& other) const {
    return !empty() && !other.empty() && first <= other.last && other.first <= last;
  }
};

// By BufferId, for root buffers; an access through a view counts for its root. The accesses inside a loop
// count for the whole loop, because a value may be needed by the next iteration.
std::vector<LiveRange> live_ranges(const ir::Program& program);

}  // namespace dlc::passes
