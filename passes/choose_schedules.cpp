#include "passes/choose_schedules.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/kernel/expand_attention.h"
#include "passes/schedule/attention_form.h"
#include "passes/schedule/choose_winograd.h"
#include "passes/schedule/contraction_loops.h"
#include "passes/schedule/depthwise_form.h"
#include "passes/schedule/gemm_form.h"
#include "passes/schedule/loop_nest.h"
#include "passes/schedule/merge_taps.h"
#include "passes/schedule/pack.h"
#include "passes/schedule/pack_blocks.h"
#include "passes/schedule/pack_bytes.h"
#include "passes/schedule/panels.h"
#include "passes/schedule/winograd_weights.h"

namespace dlc::passes {

using ir::AxisRole;
using ir::Contraction;
using ir::ContractionAxis;
using ir::Dim;

namespace {

constexpr int64_t kNarrow = 2;   // columns for which a panel is mostly padding
constexpr int64_t kFewRows = 4;  // rows for which packing B at run time costs as much as the product

int64_t constant_or(const Dim& extent, int64_t unknown) {
  return extent.is_constant() ? extent.value() : unknown;
}

// Padding reads a row of zeros along k, so k must not move a padded index and its extent must be known.
bool padding_fits(const Contraction& c, const GemmForm& form) {
  if (!c.a.padded) return true;
  if (!form.k.extent.is_constant()) return false;
  for (const ir::Expr& e : c.a.index) {
    const bool windowed = std::any_of(form.windows.begin(), form.windows.end(),
                                      [&](const ContractionAxis& axis) { return ir::uses_var(e, axis.var); });
    if (windowed && ir::uses_var(e, form.k.var)) return false;
  }
  return true;
}

// Why a contraction does not run as a matrix product; empty where it does.
std::string why_no_gemm(const ir::Program& program, const Contraction& c,
                        const std::optional<GemmForm>& form) {
  if (!form) return "a product without columns, or without a sum";
  if ((c.a.zero_point.get() || c.b.zero_point.get()) && !is_byte_product(program, c))
    return "a product with zero points that is none of bytes";
  if (!padding_fits(c, *form)) return "a product with padding along its sums";
  const int64_t columns = constant_or(form->n.extent, 64);
  if (columns <= kNarrow)
    return fmt::format("a product of {} column{}, for which panels of {} are mostly padding", columns,
                       columns == 1 ? "" : "s", kPanelColumns);
  const bool constant_b = program.buffer(ir::root_of(program, c.b.buffer)).kind == ir::BufferKind::kConstant;
  int64_t rows = 1;
  for (const ContractionAxis& axis : form->m) rows *= constant_or(axis.extent, 64);
  if (constant_b || rows > kFewRows) return {};
  return fmt::format("a product of {} row{} by what only the run knows, which to pack costs as much", rows,
                     rows == 1 ? "" : "s");
}

std::vector<ir::Kernel> schedule_bytes(ir::Program& program, Contraction& c) {
  std::vector<ir::Kernel> kernels = merge_taps(program, c);
  for (ir::Kernel& kernel : pack_bytes(program, c, gemm_form(program, c).value()))
    kernels.push_back(std::move(kernel));
  return kernels;
}

std::vector<ir::Kernel> schedule_floats(ir::Program& program, Contraction& c) {
  std::vector<ir::Kernel> kernels = merge_taps(program, c);
  for (ir::Kernel& kernel : pack_operand(program, c, gemm_form(program, c).value()))
    kernels.push_back(std::move(kernel));
  return kernels;
}

// For reference compilation.
void sum_in_double(Contraction& c) {
  const ir::VarId sum = c.accumulator;
  const DType narrow = c.accumulator_type;
  if (!is_float(narrow)) return;
  c.accumulator_type = DType::kDouble;
  if (c.has_parts()) c.parts.term = ir::cast(c.parts.term, DType::kDouble);
  c.epilogue = ir::substitute(c.epilogue, [&](ir::VarId v) {
    return v == sum ? ir::cast(ir::var(sum, DType::kDouble), narrow) : ir::Expr();
  });
}

// Marks the contraction of a kernel with how it runs, or the kernel with why it is left to loops. Returns
// what runs before it.
std::vector<ir::Kernel> choose_algorithm(ir::Program& program, ir::Kernel& kernel, Contraction& c) {
  if (!c.has_parts() && c.schedule.winograd_tile != 0) {
    return schedule_winograd(program, c, winograd_form(program, c).value(), c.schedule.winograd_tile);
  }
  const std::optional<GemmForm> form = gemm_form(program, c);
  if (c.has_parts()) {
    if (form && is_block_product(program, c, *form)) {
      pack_blocks(program, c, *form);
    } else {
      kernel.note = "a product in blocks that do not stay packed";
    }
    return {};
  }
  if (const std::optional<DepthwiseForm> depthwise = depthwise_form(program, c))
    return schedule_depthwise(program, c, *depthwise);
  kernel.note = why_no_gemm(program, c, form);
  if (!kernel.note.empty()) return {};
  return is_byte_product(program, c) ? schedule_bytes(program, c) : schedule_floats(program, c);
}

void schedule_contraction(ir::Program& program, ir::Region& region, size_t& at, const Options& options) {
  ir::Kernel& kernel = std::get<ir::KernelStep>(region.steps[at].node).kernel;
  Contraction& c = std::get<Contraction>(kernel.body);
  if (options.reference) {
    sum_in_double(c);
  } else {
    collapse_axes(program, c);
    std::vector<ir::Kernel> packs = choose_algorithm(program, kernel, c);
    const bool is_scheduled = c.schedule.algorithm != ir::Algorithm::kNaive;
    for (ir::Kernel& pack : packs) {
      pack.origin = kernel.origin;
      pack.note = schedule_loop_nest(program, std::get<ir::LoopNest>(pack.body), program);
    }
    const auto here = region.steps.begin() + static_cast<std::ptrdiff_t>(at);
    std::vector<ir::Step> steps;
    for (ir::Kernel& pack : packs) steps.push_back({ir::KernelStep{std::move(pack)}});
    at += steps.size();
    region.steps.insert(here, steps.begin(), steps.end());
    if (is_scheduled) return;
    if (!c.has_parts()) sum_along_runs(program, c);
  }
  ir::LoopNest nest = contraction_to_loops(program, c);
  kernel.body = std::move(nest);
  const std::string serial = schedule_loop_nest(program, std::get<ir::LoopNest>(kernel.body), program);
  if (!serial.empty()) kernel.note = kernel.note.empty() ? serial : kernel.note + "; " + serial;
}

void schedule_region(ir::Program& program, ir::Region& region, const Options& options) {
  for (size_t i = 0; i < region.steps.size(); ++i) {
    auto& node = region.steps[i].node;
    if (auto* step = std::get_if<ir::KernelStep>(&node)) {
      if (std::holds_alternative<Contraction>(step->kernel.body)) {
        schedule_contraction(program, region, i, options);
      } else if (auto* nest = std::get_if<ir::LoopNest>(&step->kernel.body)) {
        step->kernel.note = schedule_loop_nest(program, *nest, program);
      }
    }
  }
}

}  // namespace

void choose_schedules(ir::Program& program, const Options& options) {
  if (!options.reference && !options.exact) choose_winograd(program, options.weight_growth);
  // An attention that does not run as one kernel becomes several.
  ir::expand_attentions(program, [&](const ir::Attention& attention) {
    return options.reference || !runs_fused(program, attention);
  });
  ir::for_each_region(program.main, [&](ir::Region& region) { schedule_region(program, region, options); });
}

}  // namespace dlc::passes
