// A contraction whose channels are independent, or depend on few others: a window slides over each of them
// alone, or over a small group. Where channels are alone, the N and K axes have the extent 1.
#pragma once

#include <optional>
#include <vector>

#include "ir/kernel/kernel.h"
#include "passes/schedule/channel_groups.h"

namespace dlc::passes {

// out[outer, column, channel] = epilogue(sum over windows and tap of
//   A[..., stride * column + dilation * tap + offset, ..., channel] * B[channel, windows, tap]).
struct DepthwiseForm {
  // A and the output are contiguous along it. Where there are groups: their outputs as one axis, with the
  // variable of their N axis.
  ir::ContractionAxis channel;
  std::optional<ChannelGroups> groups = {};
  std::vector<ir::ContractionAxis> outer;  // the other axes of the output, outermost first
  ir::ContractionAxis column;
  std::vector<ir::ContractionAxis> windows;  // other than the tap, outermost first
  ir::ContractionAxis tap;                   // of constant extent
  size_t column_axis = 0;                    // axis of A that columns and taps move
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t offset = 0;
};

// Nothing for other contractions, and where the storage order of A or of the output does not suit.
std::optional<DepthwiseForm> depthwise_form(const ir::Program& program, const ir::Contraction& contraction);

// Stores B with the channel innermost and marks the contraction kDepthwise. For a B that is known at run time
// only, the returned kernel makes the copy and goes before the contraction.
std::vector<ir::Kernel> schedule_depthwise(ir::Program& program, ir::Contraction& contraction,
                                           const DepthwiseForm& form);

}  // namespace dlc::passes
