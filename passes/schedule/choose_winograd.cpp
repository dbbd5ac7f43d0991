#include "passes/schedule/choose_winograd.h"

#include <algorithm>
#include <array>

#include "passes/schedule/gemm_form.h"
#include "passes/schedule/winograd_stages.h"
#include "passes/schedule/winograd_weights.h"

namespace dlc::passes {

using ir::ContractionAxis;
using ir::Dim;

namespace {

// Costs are in cycles of a core that multiplies and adds sixteen floats a cycle.
constexpr double kLanes = 16;
constexpr double kColdBytes = 8;     // of weights from memory a cycle
constexpr double kCachedBytes = 25;  // from the last-level cache
constexpr int64_t kLastLevelCache = 24 << 20;
constexpr double kWorthwhile = 0.95;  // of the direct convolution's time
constexpr int64_t kFreeGrowth = 1 << 14;
constexpr int kMaxSize = 6;                     // of a transformed tile along one axis
constexpr int64_t kMaxScratchFloats = 1 << 20;  // of one tile with all its frames
constexpr int64_t kFewChannels = 8;

// Of one tile for sixteen channels: loads, arithmetic and stores of both transforms.
struct TransformCost {
  double input;
  double output;
};
TransformCost transform_cost(int m, int taps) {
  if (taps == 5) return {230, 110};
  return m == 2 ? TransformCost{70, 50} : TransformCost{230, 180};
}

double extent_or(const Dim& extent, int64_t unknown) {
  return static_cast<double>(extent.is_constant() ? extent.value() : unknown);
}

double product_of(const std::vector<ContractionAxis>& axes) {
  double product = 1;
  for (const ContractionAxis& axis : axes) product *= extent_or(axis.extent, 1);
  return product;
}

// Of weights that only the run knows, sixteen columns of one input channel: taps * taps loads from as many
// cache lines as there are columns, the arithmetic, size * size stores; packing for the direct convolution
// has only the loads and taps * taps stores.
double weight_cost(int m, int taps) {
  const int size = m == 0 ? taps : m + taps - 1;
  const double arithmetic = m == 0 ? 0 : 2.0 * size * (taps + size);
  return 12.0 * taps * taps + arithmetic + 4.0 * size * size;
}

struct Candidate {
  ir::Contraction* contraction;
  // Direct, F(2, 3), F(4, 3); or direct and F(2, 5).
  std::vector<double> cycles = {};
  std::vector<int64_t> bytes = {};  // of the library
  size_t choice = 0;
};
constexpr std::array<int, 3> kTiles = {0, 2, 4};

class Chooser {
 public:
  explicit Chooser(ir::Program& program) : program_(program) {
    for (const ir::Buffer& buffer : program.buffers) {
      if (buffer.kind == ir::BufferKind::kConstant && !buffer.view) constants_ += buffer.constant.byte_size();
    }
    ir::for_each_step(program.main, [&](ir::Step& step) {
      auto* kernel = std::get_if<ir::KernelStep>(&step.node);
      if (!kernel) return;
      if (auto* c = std::get_if<ir::Contraction>(&kernel->kernel.body)) consider(*c);
    });
  }

  void run(double growth) {
    auto left = static_cast<int64_t>(growth * static_cast<double>(constants_)) + kFreeGrowth;
    while (std::optional<Upgrade> best = best_upgrade(left)) {
      Candidate& candidate = candidates_[best->candidate];
      left -= candidate.bytes[best->choice] - candidate.bytes[candidate.choice];
      candidate.choice = best->choice;
    }
    for (Candidate& candidate : candidates_) {
      candidate.contraction->schedule.winograd_tile = kTiles[candidate.choice];
    }
  }

 private:
  struct Upgrade {
    size_t candidate;
    size_t choice;
    double gain;  // cycles for a byte
  };

  void consider(ir::Contraction& c) {
    if (c.has_parts()) return;
    collapse_axes(program_, c);
    std::optional<WinogradForm> form = winograd_form(program_, c);
    if (!form) return;
    if (form->n.extent.value() < kFewChannels || form->k.extent.value() < kFewChannels) return;
    for (size_t axis : form->frame_axes) {
      if (!program_.buffer(c.a.buffer).shape[axis].is_constant()) return;
    }
    for (const std::vector<ContractionAxis>* axes : {&form->depth, &form->windows}) {
      for (const ContractionAxis& axis : *axes) {
        if (!axis.extent.is_constant()) return;
      }
    }
    if (frames(c, *form) * form->k.extent.value() * kMaxSize * kMaxSize > kMaxScratchFloats) return;
    Candidate candidate{&c};
    const bool is_constant = has_constant_weights(program_, c);
    for (int tile : kTiles) {
      if (tile + form->taps - 1 > kMaxSize) break;
      const int64_t bytes = winograd_weight_bytes(*form, std::max(1, tile));
      candidate.bytes.push_back(is_constant ? bytes : 0);
      candidate.cycles.push_back(cycles(c, *form, tile, bytes));
      if (!is_constant) candidate.cycles.back() += weight_cycles(*form, tile);
    }
    candidates_.push_back(std::move(candidate));
  }

  int64_t frames(const ir::Contraction& c, const WinogradForm& form) const {
    int64_t frames = 1;
    for (size_t axis : form.frame_axes) frames *= program_.buffer(c.a.buffer).shape[axis].value();
    return frames;
  }

  double cycles(const ir::Contraction& c, const WinogradForm& form, int m, int64_t bytes) const {
    constexpr int64_t kUnknown = 64;
    const double rows = extent_or(form.row.output.extent, kUnknown);
    const double columns = extent_or(form.column.output.extent, kUnknown);
    const double images = product_of(form.images), depth = product_of(form.depth);
    const double k = extent_or(form.k.extent, 1);
    const double panels = extent_or(ir::ceil_div(form.n.extent, Dim(16)), 1);
    const double rate = constants_ > kLastLevelCache ? kColdBytes : kCachedBytes;
    const double reading = static_cast<double>(bytes) / rate;
    const double multiplications = product_of(form.windows) * depth * images * k * panels;
    if (m == 0) return std::max(reading, form.taps * form.taps * rows * columns * multiplications);
    const int size = m + form.taps - 1;
    const double tiles = std::ceil(rows / m) * std::ceil(columns / m);
    const TransformCost cost = transform_cost(m, form.taps);
    const double transforms =
        tiles * images *
        (cost.input * static_cast<double>(frames(c, form)) * k / kLanes + cost.output * depth * panels);
    return std::max(reading, tiles * size * size * multiplications) + transforms;
  }

  static double weight_cycles(const WinogradForm& form, int m) {
    const double panels = extent_or(ir::ceil_div(form.n.extent, Dim(16)), 1);
    return weight_cost(m, form.taps) * product_of(form.windows) * panels * extent_or(form.k.extent, 1);
  }

  std::optional<Upgrade> best_upgrade(int64_t left) const {
    std::optional<Upgrade> best;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      const Candidate& candidate = candidates_[i];
      for (size_t choice = 1; choice < candidate.cycles.size(); ++choice) {
        const int64_t bytes = candidate.bytes[choice] - candidate.bytes[candidate.choice];
        const double before = candidate.cycles[candidate.choice], after = candidate.cycles[choice];
        if (after > kWorthwhile * before || bytes > left) continue;
        const double gain = (before - after) / static_cast<double>(std::max<int64_t>(1, bytes));
        if (!best || gain > best->gain) best = Upgrade{i, choice, gain};
      }
    }
    return best;
  }

  ir::Program& program_;
  int64_t constants_ = 0;  // bytes
  std::vector<Candidate> candidates_;
};

}  // namespace

void choose_winograd(ir::Program& program, double growth) { Chooser(program).run(growth); }

}  // namespace dlc::passes
