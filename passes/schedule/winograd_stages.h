// The three stages of a convolution by minimal filtering, for one block of output tiles at a time.
#pragma once

#include "passes/schedule/winograd_form.h"
#include "passes/schedule/winograd_transform.h"

namespace dlc::passes {

struct WinogradBlocking {
  int64_t tiles = 1;     // of m x m outputs in one block
  int64_t columns = 16;  // of the output (N) that are computed at a time
};

// With S = (m + taps - 1)^2: `input` transforms the tiles of block `block` into v[S][frames...][tile][K];
// `product` multiplies them by the transformed weights, giving m[S][depth...][tile][N - column]; `output`
// transforms those back and stores them, for the columns of N in [column, column + width).
struct WinogradStages {
  ir::BufferId v = ir::BufferId::kNone;
  ir::BufferId m = ir::BufferId::kNone;
  ir::VarId block = ir::VarId::kNone;
  ir::VarId column = ir::VarId::kNone;
  ir::VarId width = ir::VarId::kNone;
  ir::Expr tiles;  // of the block: the last one may have fewer
  ir::Block input;
  ir::Contraction product;
  ir::Block output;
};

// Numbers of output tiles of m x m elements.
ir::Dim winograd_tiles(const WinogradForm& form, int64_t m);

// Adds the buffers v and m to `program`. `contraction` is scheduled: its B holds transformed weights.
WinogradStages winograd_stages(ir::Program& program, const ir::Contraction& contraction,
                               const WinogradForm& form, const WinogradBlocking& blocking, bool has_fma);

}  // namespace dlc::passes
