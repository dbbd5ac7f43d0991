// Tile shapes, blocking and scratch memory of an attention kernel on one target.
#pragma once

#include "codegen/target.h"
#include "ir/kernel/kernel.h"

namespace dlc::codegen {

struct AttentionPlan {
  int lanes = 8;                // elements of one vector of the accumulator type
  int rows = 6;                 // rows of the main register tile
  int max_accumulators = 12;    // of a register tile
  int64_t key_block = 1024;     // keys whose scores are held at a time, a multiple of the panel
  int64_t score_stride = 1040;  // elements between rows of scores
  int64_t chunk_rows = 128;     // rows of one task, a multiple of `rows`
  int64_t columns = 64;         // of a row of results: the columns rounded up to whole vectors
  bool one_by_one = false;      // the kernel has code for few rows: one at a time, keys as they are stored
  bool in_tiles = true;         // the kernel has code for many rows: register tiles over packed keys

  // Scratch memory of a worker: byte offsets. A query is as wide as the depth rounded up to whole vectors.
  int64_t packed_keys = 0, scores = 0, results = 0, maxima = 0, sums = 0, corrections = 0, query = 0;
  int64_t scratch_bytes = 0;
};

// Rows up to which keys are not packed: packing would cost as much as the products.
inline constexpr int64_t kFewRows = 4;

AttentionPlan plan_attention(const Target& target, const ir::Program& program,
                             const ir::Attention& attention);

}  // namespace dlc::codegen
