#include "passes/schedule/channel_groups.h"

#include "passes/schedule/access.h"
#include "passes/schedule/gemm_form.h"

namespace dlc::passes {

using ir::AxisRole;
using ir::Contraction;
using ir::ContractionAxis;
using ir::Dim;
using ir::VarId;

namespace {

// The only axis of the role with more than one element; false where there are several.
bool find_axis(const Contraction& c, AxisRole role, std::optional<ContractionAxis>& found) {
  for (const ContractionAxis& axis : c.axes) {
    if (axis.role != role || axis.extent == Dim(1)) continue;
    if (found) return false;
    found = axis;
  }
  return true;
}

std::optional<Dim> stride(const ir::Program& program, const ContractionAccess& access, VarId v) {
  return stride_along(program, Access{access.buffer, access.index, false, {}}, v);
}

bool walks_groups(const ir::Program& program, const Contraction& c, const ChannelGroups& groups) {
  for (const ContractionAccess& access : accesses(c)) {
    const std::optional<Dim> outer = stride(program, access, groups.group.var);
    const std::optional<Dim> inner = stride(program, access, groups.n.var);
    if (!outer || !inner) return false;
    const bool is_a = access.index == &c.a.index;
    if (is_a ? *inner != Dim(0) || *outer != Dim(groups.inputs) : *outer != *inner * Dim(groups.outputs))
      return false;
  }
  if (groups.k && !is_contiguous(program, c.a.buffer, c.a.index, groups.k->var)) return false;
  return is_contiguous(program, c.out, c.out_index, groups.n.var);
}

}  // namespace

std::optional<ChannelGroups> channel_groups(const ir::Program& program, const Contraction& c) {
  if (c.a.zero_point.get() || c.b.zero_point.get() || !is_float(program.buffer(c.a.buffer).dtype))
    return std::nullopt;
  std::optional<ContractionAxis> n, k;
  if (!find_axis(c, AxisRole::kN, n) || !find_axis(c, AxisRole::kK, k) || !n) return std::nullopt;
  if (!n->extent.is_constant() || n->extent.value() > kMaxGroupOutputs) return std::nullopt;
  if (k && (!k->extent.is_constant() || k->extent.value() > n->extent.value())) return std::nullopt;
  ChannelGroups groups{.group = {}, .n = *n, .k = k, .outputs = n->extent.value()};
  if (k) groups.inputs = k->extent.value();
  if (!epilogue_only_addresses(c.epilogue, n->var)) return std::nullopt;
  for (const ContractionAxis& axis : c.axes) {
    if (axis.role != AxisRole::kBatch || uses_of(c.b.index, axis.var).size() != 1) continue;
    groups.group = axis;
    if (epilogue_only_addresses(c.epilogue, axis.var) && walks_groups(program, c, groups)) return groups;
  }
  return std::nullopt;
}

}  // namespace dlc::passes
