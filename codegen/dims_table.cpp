#include "codegen/dims_table.h"

#include <algorithm>

#include "passes/plan_memory.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::Dim;

DimsTable::DimsTable(const ir::Program& program) : late_set_(passes::late_symbols(program)) {
  std::vector<const ir::Buffer*> inputs;
  for (const ir::Buffer& buffer : program.buffers) {
    if (buffer.kind == ir::BufferKind::kInput && !buffer.view) inputs.push_back(&buffer);
  }
  std::sort(inputs.begin(), inputs.end(),
            [](const ir::Buffer* a, const ir::Buffer* b) { return a->border_index < b->border_index; });
  // Plain symbols first, so that formulas can be checked against them.
  for (const ir::Buffer* input : inputs) {
    for (const Dim& extent : input->shape) {
      if (extent.is_symbol()) bind_input(extent);
    }
  }
  for (const ir::Buffer* input : inputs) {
    for (const Dim& extent : input->shape) {
      if (!extent.is_constant() && !extent.is_symbol()) bind_input(extent);
    }
  }
  late_symbols_.assign(late_set_.begin(), late_set_.end());
  for (const std::string& symbol : late_symbols_) slots_[symbol] = size_++;
}

void DimsTable::bind_input(const Dim& extent) {
  std::string name = extent.to_string();
  if (extent.is_symbol()) {
    name = extent.symbol_name();
    if (!slots_.try_emplace(name, size_).second) return;
  } else if (!formulas_.try_emplace(extent, size_).second) {
    return;
  }
  input_symbols_.push_back(name);
  ++size_;
}

int32_t DimsTable::symbol_slot(const std::string& symbol) const {
  auto known = slots_.find(symbol);
  if (known == slots_.end()) fail(ErrorKind::kInternal, "nothing binds the symbol '{}'", symbol);
  return known->second;
}

bool DimsTable::is_late(const Dim& value) const { return passes::uses_any(value, late_set_); }

int32_t DimsTable::input_symbol(const Dim& extent) const {
  return extent.is_symbol() ? symbol_slot(extent.symbol_name()) : formulas_.at(extent);
}

DimsTable::List DimsTable::list(const std::vector<Dim>& values, bool is_private) {
  if (auto known = lists_.find(values); known != lists_.end() && !is_private) return known->second;
  List list{size_, {}};
  for (const Dim& value : values) {
    if (is_late(value)) {
      list.late.emplace_back(size_, value);
    } else {
      entries_.push_back({size_, value, false});
    }
    ++size_;
  }
  if (!is_private) lists_.emplace(values, list);
  return list;
}

int32_t DimsTable::estimate(const Dim& value) {
  auto [it, inserted] = estimates_.try_emplace(value, size_);
  if (inserted) entries_.push_back({size_++, value, true});
  return it->second;
}

int32_t DimsTable::reserve() { return size_++; }

}  // namespace dlc::codegen
