// Which taps of a window lie inside of a padded operand.
#pragma once

#include <optional>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// Values of a summed axis: [begin, end), in terms of the other axes. May be empty with end < begin.
struct TapRange {
  ir::Expr begin;
  ir::Expr end;
};

// The values of a summed axis for which every index of A that it moves is inside of A. Nothing where another
// summed axis moves the same index, or the index is not affine with a constant positive step.
std::optional<TapRange> tap_range(const ir::Program& program, const ir::Contraction& contraction,
                                  const ir::ContractionAxis& axis);

inline bool is_summed(const ir::ContractionAxis& axis) {
  return axis.role == ir::AxisRole::kK || axis.role == ir::AxisRole::kWindow;
}

}  // namespace dlc::passes
