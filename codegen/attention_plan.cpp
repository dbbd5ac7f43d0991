#include "codegen/attention_plan.h"

#include <algorithm>

#include "codegen/gemm_plan.h"
#include "passes/schedule/attention_form.h"

namespace dlc::codegen {

using ir::Dim;

namespace {

constexpr int64_t kWantedTasks = 8;
constexpr int64_t kMostChunkRows = 128;
constexpr int64_t kFewestTiles = 4;  // of a chunk: its keys are packed anew

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

Dim count(const std::vector<ir::LoopAxis>& axes) {
  Dim total = 1;
  for (const ir::LoopAxis& axis : axes) total *= axis.extent;
  return total;
}

// Packed keys stay in half of the second-level cache.
int64_t key_block(const Target& target, const ir::Attention& attention, int64_t element) {
  constexpr int64_t kMost = 1024;
  const int64_t fitting = target.l2_bytes / 2 / (attention.depth.extent.value() * element);
  const int64_t block = std::clamp<int64_t>(fitting / kPanel * kPanel, 4 * kPanel, kMost);
  const Dim& keys = attention.key.extent;
  if (!keys.is_constant()) return block;
  return std::min(block, round_up(std::max<int64_t>(1, keys.value()), kPanel));
}

int64_t chunk_rows(const ir::Attention& attention, int64_t tile) {
  const Dim rows = count(attention.rows), batch = count(attention.batch);
  int64_t chunk = kMostChunkRows;
  if (rows.is_constant() && batch.is_constant()) {
    const int64_t share = (rows.value() * batch.value() + kWantedTasks - 1) / kWantedTasks;
    chunk = std::clamp<int64_t>(share, kFewestTiles * tile, kMostChunkRows);
    chunk = std::min(chunk, std::max<int64_t>(1, rows.value()));
  }
  return round_up(chunk, tile);
}

}  // namespace

AttentionPlan plan_attention(const Target& target, const ir::Program& program,
                             const ir::Attention& attention) {
  AttentionPlan plan;
  const int64_t element = bit_width(attention.accumulator_type) / 8;
  plan.lanes = std::min(kPanel, target.vector_bits / bit_width(attention.accumulator_type));
  const bool wide = target.vector_registers >= 32;
  plan.max_accumulators = wide ? 24 : 12;
  plan.rows = std::min(8, plan.max_accumulators / (kPanel / plan.lanes));
  plan.key_block = key_block(target, attention, element);
  // Rows of scores whose distance is a multiple of 4 KB would fight for one set of the first-level cache.
  plan.score_stride = plan.key_block + kPanel;
  plan.chunk_rows = chunk_rows(attention, plan.rows);
  plan.columns = round_up(attention.column.extent.value(), plan.lanes);
  const Dim rows = count(attention.rows);
  const bool few = rows.is_constant() && rows.value() <= kFewRows;
  plan.one_by_one = passes::keys_are_rows(program, attention) && (few || !rows.is_constant());
  plan.in_tiles = !plan.one_by_one || !few;

  auto place = [&](int64_t elements) {
    const int64_t at = plan.scratch_bytes;
    plan.scratch_bytes += round_up(elements * element, 64);
    return at;
  };
  const int64_t depth = round_up(attention.depth.extent.value(), plan.lanes);
  plan.packed_keys = place(plan.in_tiles ? plan.key_block * attention.depth.extent.value() : 0);
  plan.scores = place(plan.rows * plan.score_stride);
  plan.results = place(plan.chunk_rows * plan.columns);
  plan.maxima = place(plan.chunk_rows);
  plan.sums = place(plan.chunk_rows);
  plan.corrections = place(plan.rows);
  plan.query = place(depth);
  return plan;
}

}  // namespace dlc::codegen
