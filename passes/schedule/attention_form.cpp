#include "passes/schedule/attention_form.h"

#include "passes/schedule/access.h"

namespace dlc::passes {

using ir::Dim;

namespace {

constexpr int64_t kLargestHead = 1024;  // beyond, the blocks of a tile no longer fit the caches

bool is_head_size(const Dim& extent) {
  return extent.is_constant() && extent.value() > 0 && extent.value() <= kLargestHead;
}

bool contiguous(const ir::Program& program, const ir::Element& element, const ir::LoopAxis& axis) {
  return axis.extent == Dim(1) || stride_along(program, element, axis.var) == Dim(1);
}

}  // namespace

std::optional<Dim> stride_along(const ir::Program& program, const ir::Element& element, ir::VarId v) {
  return stride_along(program, Access{element.buffer, &element.index, false, {}}, v);
}

bool keys_are_rows(const ir::Program& program, const ir::Attention& attention) {
  return contiguous(program, attention.k, attention.depth);
}

bool runs_fused(const ir::Program& program, const ir::Attention& attention) {
  if (!is_head_size(attention.depth.extent) || !is_head_size(attention.column.extent)) return false;
  for (const ir::Element* element : {&attention.q, &attention.k, &attention.v, &attention.out}) {
    if (!ir::strides_of(program, element->buffer)) return false;
  }
  const bool strided = stride_along(program, attention.q, attention.depth.var) &&
                       stride_along(program, attention.v, attention.key.var) &&
                       stride_along(program, attention.k, attention.key.var);
  return strided && contiguous(program, attention.v, attention.column);
}

}  // namespace dlc::passes
