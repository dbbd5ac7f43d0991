// Who reads and writes the buffers of a program, by the root behind their views.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// An index of the kernels of a program that stays valid while bodies of kernels change and kernels die, as
// long as no step moves: a dead kernel keeps its step until sweep().
class KernelUses {
 public:
  explicit KernelUses(ir::Program& program);

  struct Entry {
    ir::Kernel* kernel;
    int region;  // numbered in pre-order
    bool dead = false;
    std::vector<ir::BufferId> reads = {};  // roots
    std::vector<ir::BufferId> writes = {};
  };
  // In the order of the program.
  std::vector<Entry>& entries() { return entries_; }
  Entry& entry(size_t number) { return entries_[number]; }
  const Entry& entry(size_t number) const { return entries_[number]; }

  const std::set<size_t>& readers(ir::BufferId root) const;  // numbers of entries
  const std::set<size_t>& writers(ir::BufferId root) const;
  // A temporary that only kernels use.
  bool is_private(ir::BufferId root) const;

  // Whether any kernel between two entries (both excluded) writes, or reads, one of the roots.
  bool written_between(size_t first, size_t last, const std::vector<ir::BufferId>& roots) const;
  bool read_between(size_t first, size_t last, ir::BufferId root) const;

  // After a change of the kernel's body.
  void refresh(size_t number);
  void kill(size_t number);
  // Removes the steps of dead kernels; the index is of no use afterwards.
  void sweep();

 private:
  void collect(ir::Region& region);
  void forget(size_t number);

  ir::Program& program_;
  std::vector<Entry> entries_;
  std::map<ir::BufferId, std::set<size_t>> readers_;
  std::map<ir::BufferId, std::set<size_t>> writers_;
  std::set<ir::BufferId> pinned_;  // read by steps that are no kernels
  int regions_ = 0;
};

}  // namespace dlc::passes
