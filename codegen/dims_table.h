// DimsTable: which slot of a frame's table of run-time integers holds what.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::codegen {

// Slots in order: symbols that the shapes of inputs bind; symbols bound during the run; what follows from
// them.
class DimsTable {
 public:
  // Values in consecutive slots, from `base` on. Those that depend on data have to be stored before every
  // use.
  struct List {
    int32_t base = 0;
    std::vector<std::pair<int32_t, ir::Dim>> late;  // slot, value
  };
  struct Entry {
    int32_t slot;
    ir::Dim value;
    bool saturating;  // an estimate: INT64_MAX instead of a fault where it overflows
  };

  explicit DimsTable(const ir::Program& program);

  const std::vector<std::string>& input_symbols() const { return input_symbols_; }
  const std::vector<std::string>& late_symbols() const { return late_symbols_; }
  // Slot of a symbol. Error(kInternal) where nothing binds it.
  int32_t symbol_slot(const std::string& symbol) const;
  bool is_late(const ir::Dim& value) const;
  // The symbol number that an extent of an input binds; an extent that is neither constant nor a symbol binds
  // a symbol of its own, which bind() compares with the formula.
  int32_t input_symbol(const ir::Dim& extent) const;
  // Symbols made for such extents.
  const std::map<ir::Dim, int32_t>& formulas() const { return formulas_; }

  // The same list again gives the same slots, unless `is_private`: slots that nobody else reads or writes.
  List list(const std::vector<ir::Dim>& values, bool is_private = false);
  int32_t estimate(const ir::Dim& value);  // requires !is_late(value)
  int32_t reserve();                       // one slot for the caller's own use

  // What bind() stores.
  const std::vector<Entry>& entries() const { return entries_; }
  int32_t size() const { return size_; }

 private:
  void bind_input(const ir::Dim& extent);

  std::vector<std::string> input_symbols_;
  std::vector<std::string> late_symbols_;
  std::set<std::string> late_set_;
  std::map<std::string, int32_t> slots_;
  std::map<ir::Dim, int32_t> formulas_;
  std::map<std::vector<ir::Dim>, List> lists_;
  std::map<ir::Dim, int32_t> estimates_;
  std::vector<Entry> entries_;
  int32_t size_ = 0;
};

}  // namespace dlc::codegen
