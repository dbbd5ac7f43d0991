#include "codegen/emit_bind.h"

#include <set>

namespace dlc::codegen {

using ir::Dim;

namespace {

class BindEmitter : FrameEmitter {
 public:
  BindEmitter(llvm::Module& module, const ProgramParts& parts, const ModelInfo& info, const DimsTable& table)
      : FrameEmitter(module, table, info.name + "_bind"), parts_(parts), dims_(dim_emitter()) {}

  llvm::Function* emit(const RunLayout& layout, int32_t arena_slot) {
    check_formulas();
    check_extents();
    for (const DimsTable::Entry& entry : table_.entries()) {
      store_slot(entry.slot, entry.saturating ? dims_.emit_saturating(entry.value) : dims_.emit(entry.value));
    }
    forget_late(layout);
    place_slots(layout, arena_slot);
    dims_.finish();
    finish();
    return function();
  }

 private:
  // Extents of inputs that are formulas of symbols, not symbols.
  void check_formulas() {
    for (const auto& [formula, symbol] : table_.formulas()) {
      llvm::Value* found = load_slot(symbol);
      llvm::Value* expected = dims_.emit(formula);
      fail_if(builder_.CreateICmpNE(found, expected),
              "an input axis of extent " + escape_format(formula.to_string()) + ": expected %lld, found %lld",
              expected, found);
    }
  }

  void check_extents() {
    std::set<Dim> seen;
    for (const ir::Buffer& buffer : parts_.program.buffers) {
      for (size_t axis = 0; axis < buffer.shape.size(); ++axis) {
        const Dim& extent = buffer.shape[axis];
        if (table_.is_late(extent) || ir::lower_bound(extent).value_or(-1) >= 0) continue;
        if (!seen.insert(extent).second) continue;
        llvm::Value* value = dims_.emit(extent);
        fail_if(builder_.CreateICmpSLT(value, constant(0)),
                "axis %lld of '" + escape_format(buffer.name) + "' would have %lld elements",
                constant(static_cast<int64_t>(axis)), value);
      }
    }
  }

  void forget_late(const RunLayout& layout) {
    for (const std::string& symbol : table_.late_symbols())
      store_slot(table_.symbol_slot(symbol), constant(-1));
    for (const RunLayout::Output& output : layout.outputs) {
      for (const auto& [slot, value] : output.extents.late) store_slot(slot, constant(-1));
    }
  }

  // The slots of the arena lie behind its fixed part, each as large as the largest of its buffers.
  void place_slots(const RunLayout& layout, int32_t arena_slot) {
    constexpr int64_t kMask = passes::kArenaAlignment - 1;
    llvm::Value* offset = constant(parts_.plan.fixed_bytes);
    for (size_t i = 0; i < parts_.plan.slots.size(); ++i) {
      store_slot(layout.slot_offsets[i], offset);
      llvm::Value* largest = nullptr;
      for (const Dim& bytes : parts_.plan.slots[i]) {
        llvm::Value* size = dims_.emit(bytes);
        largest =
            largest == nullptr ? size : builder_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, largest, size);
      }
      llvm::Value* rounded = builder_.CreateAnd(dims_.add(largest, constant(kMask)), constant(~kMask));
      offset = dims_.add(offset, rounded);
    }
    store_slot(arena_slot, offset);
  }

  const ProgramParts& parts_;
  DimEmitter dims_;
};

}  // namespace

llvm::Function* emit_bind(llvm::Module& module, const ProgramParts& parts, const ModelInfo& info,
                          const DimsTable& table, const RunLayout& layout, int32_t arena_slot) {
  return BindEmitter(module, parts, info, table).emit(layout, arena_slot);
}

}  // namespace dlc::codegen
