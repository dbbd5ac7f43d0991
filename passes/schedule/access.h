// How the loops of a kernel walk through memory: the element stride of every access along a loop variable.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// A load or store and the loops around it, outermost first.
struct Access {
  ir::BufferId buffer;
  const std::vector<ir::Expr>* index;
  bool is_store;
  std::vector<ir::VarId> loops;
};

std::vector<Access> accesses(const ir::Block& block);

// Elements between the positions of v and v + 1: 0 if v does not matter; nothing if it is not the same
// everywhere.
std::optional<ir::Dim> stride_along(const ir::Program& program, const Access& access, ir::VarId v);

// Whether v + 1 lies directly behind v.
bool is_contiguous(const ir::Program& program, ir::BufferId buffer, const std::vector<ir::Expr>& index,
                   ir::VarId v);

// The positions in an index that a variable moves.
std::vector<size_t> uses_of(const std::vector<ir::Expr>& index, ir::VarId v);

// Whether v is used only inside indices of loads and stores, affinely.
bool only_addresses(const ir::Block& block, ir::VarId v);

// The number of iterations of a loop that begins at 0; nothing for others.
std::optional<ir::Dim> extent_of(const ir::For& loop);

// Both begin at 0, a is directly around b, and b around the body: may (a, b) be walked as one loop with b's
// steps?
bool walk_as_one(const ir::Program& program, const ir::Block& body, const ir::For& a, const ir::For& b);

// Gives b the iterations of both: the body uses a's variable no longer.
void make_one(const ir::For& a, ir::For& b, ir::Block& body);

}  // namespace dlc::passes
