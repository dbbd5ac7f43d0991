// Kernels that compute every element of one buffer by one expression.
#pragma once

#include <optional>
#include <vector>

#include "ir/kernel/kernel.h"
#include "ir/kernel/view_index.h"

namespace dlc::passes {

// out[axes...] = value for all elements of `out`. vars[i] runs over axis i; kNone where the axis has one
// element.
struct ElementMap {
  ir::BufferId out = ir::BufferId::kNone;
  std::vector<ir::VarId> vars;
  ir::Expr value;  // scalars of the kernel are substituted; what they shared stays shared

  // `value` at an index of `out`.
  ir::Expr at(const ir::Index& index) const;
};

// Nothing if the kernel is more than that.
std::optional<ElementMap> element_map(const ir::Program& program, const ir::Kernel& kernel);

// The loads of a value, each node once.
std::vector<ir::Expr> loads_of(const ir::Expr& value);

// The one load of a value from views of `root`; empty if there is none, or several that differ.
ir::Expr sole_load(const ir::Program& program, const ir::Expr& value, ir::BufferId root);

// Whether the map reads every element of `load`'s buffer exactly once: the index is made of the map's
// variables, each once, and their extents are those of the buffer.
bool covers(const ir::Program& program, const ElementMap& map, const ir::Expr& load);

// The load of a value that is nothing else; empty otherwise.
inline ir::Expr copied(const ElementMap& map) {
  return map.value->op == ir::ExprOp::kLoad ? map.value : ir::Expr();
}

// Estimated operations of one evaluation, those inside of indices apart: 1 for arithmetic, more for
// divisions, math functions and loads at positions that are data.
int cost_of(const ir::Expr& value);

// No quotient and no remainder among the operations on int64 of the index: addresses stay affine.
bool is_division_free(const ir::Expr& index);
// A sum of multiples of variables.
bool is_linear(const ir::Expr& index);

}  // namespace dlc::passes
