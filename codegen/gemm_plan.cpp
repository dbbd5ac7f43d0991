#include "codegen/gemm_plan.h"

#include <algorithm>

#include "codegen/emit_dot.h"

namespace dlc::codegen {

using ir::Dim;

namespace {

constexpr int64_t kUnknownExtent = 256;
constexpr int64_t kWantedTasks = 8;
// More rows whose distance is a multiple of 4 KB fight for one set of the first-level cache.
constexpr int kMaxRows = 8;
constexpr int64_t kMinTaskWork =
    1 << 18;  // multiply-adds of a task below which splitting further does not pay

int64_t total_extent(const std::vector<ir::ContractionAxis>& axes, int64_t unknown) {
  int64_t total = 1;
  for (const ir::ContractionAxis& axis : axes)
    total *= axis.extent.is_constant() ? axis.extent.value() : unknown;
  return std::max<int64_t>(1, total);
}

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// Cycles of one step along k: multiply-adds, loads, and the latency of a chain of additions, whichever is
// longest.
double tile_cycles(const Target& target, int vectors, int rows, int panels) {
  const bool wide = target.vector_bits >= 512;
  const double per_cycle = wide ? 1 : 2;
  constexpr double kLatency = 4;
  const double multiplications = rows * panels * vectors / per_cycle;
  const double loads = (panels * vectors + (wide ? 0.5 : 1) * rows) / per_cycle;
  // The panels come from the second-level cache: what of that is not hidden.
  const double waiting = 0.15 * panels;
  return std::max({multiplications, loads, kLatency}) + waiting;
}

double product_cycles(const Target& target, int vectors, int64_t rows, int64_t panels, TileShape tile) {
  auto row_cycles = [&](int tile_panels) {
    const auto rest = static_cast<int>(rows % tile.rows);
    double cycles =
        static_cast<double>(rows / tile.rows) * tile_cycles(target, vectors, tile.rows, tile_panels);
    if (rest > 0) cycles += tile_cycles(target, vectors, rest, tile_panels);
    return cycles;
  };
  const auto rest = static_cast<int>(panels % tile.panels);
  double cycles = static_cast<double>(panels / tile.panels) * row_cycles(tile.panels);
  if (rest > 0) cycles += row_cycles(rest);
  return cycles;
}

// Rows and accumulators of a tile in groups along k that fits the registers beside what is prepared of A and
// B.
void plan_group_tile(const Target& target, DType sum, bool row_sums, int halves, GemmPlan& plan) {
  const DotKind kind = dot_kind(target, sum);
  const int parts = halves * dot_parts(kind, sum);
  const bool adds_apart = kind == DotKind::kPairs || (kind == DotKind::kWidened && !is_float(sum));
  const int product = adds_apart ? 1 : 0, ones = row_sums ? 1 : 0;
  const int free = target.vector_registers - parts - product - ones;
  auto fits = [&](int rows, int panels) {
    return panels * plan.vectors * (rows + parts) + ones * rows <= free;
  };
  plan.rows = kMaxRows;
  while (plan.rows > 1 && !fits(plan.rows, 1)) --plan.rows;
  int panels = 1;
  while (fits(plan.rows, panels + 1)) ++panels;
  plan.max_accumulators = plan.rows * panels * plan.vectors;
}

}  // namespace

TileShape choose_tile(const Target& target, int vectors, int64_t rows, int64_t panels, int max_rows) {
  TileShape best;
  double best_cycles = 0;
  for (int p = 1; p <= 4 && p <= panels; ++p) {
    for (int r = 1; r <= max_rows && r <= rows; ++r) {
      const bool fits = r * p * vectors + p * vectors + 1 <= target.vector_registers;
      if (!fits && r > 1) continue;
      const double cycles = product_cycles(target, vectors, rows, panels, {r, p});
      if (best_cycles != 0 && cycles >= best_cycles) continue;
      best = {r, p};
      best_cycles = cycles;
    }
  }
  return best;
}

int GemmPlan::panels_for(int tile_rows) const {
  const int limit = tile_rows == 1 ? 4 : std::max(1, max_accumulators / (tile_rows * vectors));
  return std::clamp(limit, 1, 4);
}

GemmPlan plan_gemm(const Target& target, const ir::Program& program, const ir::Contraction& c,
                   const passes::GemmForm& form) {
  const DType accumulator = c.accumulator_type;
  GemmPlan plan;
  plan.lanes = std::min(kPanel, target.vector_bits / bit_width(accumulator));
  plan.vectors = kPanel / plan.lanes;
  const bool wide = target.vector_registers >= 32;
  plan.max_accumulators = wide ? 24 : 12;
  plan.rows = std::clamp(wide ? kMaxRows : 12 / plan.vectors, 1, kMaxRows);
  const int halves = program.buffer(c.b.buffer).dtype == DType::kUint4 ? 2 : 1;
  if (c.schedule.group > 1) {
    plan_group_tile(target, c.product_type(), c.schedule.row_sum != ir::VarId::kNone, halves, plan);
  } else if (halves > 1) {
    // Beside both halves of the weights.
    if (!wide) plan.rows = 4;
    plan.max_accumulators -= 2 * plan.rows;
  }

  const int64_t m = total_extent(form.m, kUnknownExtent);
  const int64_t batch = total_extent(form.batch, 1);
  const int64_t depth = total_extent(form.windows, 9) * total_extent({form.k}, kUnknownExtent);
  const int64_t panels = (total_extent({form.n}, kUnknownExtent) + kPanel - 1) / kPanel;

  plan.rows = static_cast<int>(std::min<int64_t>(plan.rows, m));
  plan.panels = static_cast<int>(std::min<int64_t>(plan.panels_for(plan.rows), panels));

  // The rows of one task are read once per panel group: they stay in half of the second-level cache.
  const int64_t row_bytes = byte_size(program.buffer(c.a.buffer).dtype, depth);
  const int64_t cached_rows = target.l2_bytes / 2 / std::max<int64_t>(1, row_bytes);
  plan.block_rows = round_up(std::clamp<int64_t>(cached_rows, 4 * plan.rows, 240), plan.rows);
  plan.block_rows = std::min(plan.block_rows, round_up(m, plan.rows));
  plan.block_panels = panels;
  auto tasks = [&] {
    return batch * ((m + plan.block_rows - 1) / plan.block_rows) *
           ((panels + plan.block_panels - 1) / plan.block_panels);
  };
  auto work = [&] { return plan.block_rows * plan.block_panels * kPanel * depth; };
  while (tasks() < kWantedTasks && plan.block_panels > 4 * plan.panels && work() > 2 * kMinTaskWork) {
    plan.block_panels = round_up((plan.block_panels + 1) / 2, plan.panels);
  }
  while (tasks() < kWantedTasks && plan.block_rows > 4 * plan.rows && work() > 2 * kMinTaskWork) {
    plan.block_rows = round_up((plan.block_rows + 1) / 2, plan.rows);
  }
  return plan;
}

}  // namespace dlc::codegen
