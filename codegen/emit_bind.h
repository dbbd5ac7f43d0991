// bind() of a model: from the symbols that the shapes of the inputs bind to everything that follows from
// them.
#pragma once

#include "codegen/emit_run.h"

namespace dlc::codegen {

// Fills all slots of `table` that do not depend on data, checks extents, places the slots of the arena and
// stores the arena's size in slot `arena_slot`. Slots that depend on data become -1.
llvm::Function* emit_bind(llvm::Module& module, const ProgramParts& parts, const ModelInfo& info,
                          const DimsTable& table, const RunLayout& layout, int32_t arena_slot);

}  // namespace dlc::codegen
