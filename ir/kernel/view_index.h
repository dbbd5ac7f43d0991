// Indices of views as indices of their bases, and back.
#pragma once

#include <optional>
#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::ir {

using Index = std::vector<Expr>;

// Axes [begin, end) of one shape and [to_begin, to_end) of another that hold the same elements in row-major
// order.
struct ReshapeGroup {
  size_t begin, end;
  size_t to_begin, to_end;
};
// The finest groups that can be proven, in order. Axes of extent 1 are in none, or anywhere.
std::vector<ReshapeGroup> reshape_groups(const Shape& from, const Shape& to);

// The index in shape `to` of the element at `index` of shape `from`; not simplified.
Index reshape_index(const Shape& from, const Index& index, const Shape& to);

// The index in the base of a view.
Index index_in_base(const Program& program, BufferId view, const Index& index);
// The index in the root of a stack of views.
Index index_in_root(const Program& program, BufferId id, Index index);

// The index in the view `id` of the element at `index` of its root; nothing where the view does not hold each
// element of the root exactly once.
std::optional<Index> index_in_view(const Program& program, BufferId id, const Index& root_index);

}  // namespace dlc::ir
