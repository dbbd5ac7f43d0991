// Convolutions of many small groups of channels, whose outputs lie beside each other: the outputs of several
// groups fill one vector.
#pragma once

#include <optional>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// Output channel group * outputs + n sums over the input channels group * inputs + k. Both counts are powers
// of two, inputs <= outputs <= kMaxGroupOutputs.
struct ChannelGroups {
  ir::ContractionAxis group;
  ir::ContractionAxis n;
  std::optional<ir::ContractionAxis> k;  // where a group has more than one input
  int64_t outputs = 1;
  int64_t inputs = 1;
};
constexpr int64_t kMaxGroupOutputs = 8;

// Nothing unless the result, B and what the epilogue loads walk (group, n) as one axis, and A walks (group,
// k) so with its elements side by side.
std::optional<ChannelGroups> channel_groups(const ir::Program& program, const ir::Contraction& contraction);

}  // namespace dlc::passes
