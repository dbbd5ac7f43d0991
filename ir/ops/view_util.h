// Views of buffers, for operators that only move data.
#pragma once

#include <string_view>
#include <vector>

#include "ir/kernel/lower.h"

namespace dlc::ir {

// Elements [start, start + length) of one axis.
BufferId slice_axis(LowerContext& context, BufferId base, size_t axis, const Dim& start, const Dim& length,
                    std::string_view hint);
// Element `position` of one axis, which disappears.
BufferId select_axis(LowerContext& context, BufferId base, size_t axis, const Dim& position,
                     std::string_view hint);
BufferId permute(LowerContext& context, BufferId base, const std::vector<int>& perm, std::string_view hint);
// to[i...] = from[i...]; equal shapes.
void copy(LowerContext& context, BufferId to, BufferId from, std::string_view name = "copy");

}  // namespace dlc::ir
