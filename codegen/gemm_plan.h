// Tile shapes and blocking of a matrix product on one target.
#pragma once

#include "codegen/target.h"
#include "passes/schedule/gemm_form.h"

namespace dlc::codegen {

inline constexpr int kPanel = 16;  // columns of one panel of packed B, for every target

// Rows and panels of a register tile.
struct TileShape {
  int rows = 1;
  int panels = 1;
};

// The tile in which a product of `rows` x `panels` runs fastest by the number of instructions that its tiles
// and the smaller ones at its edges take; at most `max_rows` rows. `vectors`: per panel.
TileShape choose_tile(const Target& target, int vectors, int64_t rows, int64_t panels, int max_rows);

struct GemmPlan {
  int lanes = 8;    // elements of one accumulator vector
  int vectors = 2;  // accumulator vectors per panel
  int rows = 6;     // rows of the main register tile
  int panels = 1;   // panels of the main register tile
  int max_accumulators = 12;
  int64_t block_rows = 240;  // rows of one task, a multiple of `rows`
  int64_t block_panels = 4;  // panels of one task

  // Panels that a tile of fewer rows takes so that enough accumulators are in flight.
  int panels_for(int tile_rows) const;
};

// Chosen from the problem's extents alone; unknown extents count as large.
GemmPlan plan_gemm(const Target& target, const ir::Program& program, const ir::Contraction& contraction,
                   const passes::GemmForm& form);

}  // namespace dlc::codegen
