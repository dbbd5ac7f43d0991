// What an attention kernel must be like to run fused.
#pragma once

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// Whether generated code computes it as one kernel: head sizes are constants, float scores, values and
// results contiguous along the columns.
bool runs_fused(const ir::Program& program, const ir::Attention& attention);

// Whether a key is contiguous along the depth.
bool keys_are_rows(const ir::Program& program, const ir::Attention& attention);

// The distance in elements between neighbours of an element along an axis; nothing if it varies.
std::optional<ir::Dim> stride_along(const ir::Program& program, const ir::Element& element, ir::VarId v);

}  // namespace dlc::passes
