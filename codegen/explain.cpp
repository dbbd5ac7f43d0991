#include "codegen/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "codegen/emit_dot.h"
#include "ir/kernel/expand_contraction.h"
#include "passes/schedule/channel_groups.h"

namespace dlc::codegen {

namespace {

std::string bytes_by(const Target& target) {
  switch (dot_kind(target, DType::kInt32)) {
    case DotKind::kVnni:
      return fmt::format("VNNI {}", target.vector_bits);
    case DotKind::kPairs:
      return fmt::format("pairs of 16 bits in {} (the CPU has no VNNI)", target.vector_bits);
    case DotKind::kWidened:
      return fmt::format("32 bits in {}", target.vector_bits);
    case DotKind::kBfloat16:
      break;
  }
  return "";
}

std::string how_product(const ir::Program& program, const ir::Contraction& c, const Target& target) {
  const ir::Buffer& b = program.buffer(ir::root_of(program, c.b.buffer));
  const std::string packed =
      b.kind == ir::BufferKind::kConstant ? "packed weights" : "weights packed at run time";
  if (c.has_parts()) {
    const std::string in = c.schedule.group > 1 ? "int8 contraction, " + bytes_by(target)
                                                : fmt::format("{} contraction", name(c.parts.type));
    return fmt::format("{}, {} weights unpacked in registers, scales by blocks", in, name(b.dtype));
  }
  if (c.schedule.group == 1) {
    return fmt::format("{} contraction, register tiles, {}", name(c.accumulator_type), packed);
  }
  if (is_float(c.accumulator_type)) {
    return fmt::format("bfloat16 contraction, {} {}, sums in float, {}",
                       target.has_bf16 ? "pairs in" : "widened (the CPU has no AVX-512 BF16) in",
                       target.vector_bits, packed);
  }
  std::string text = fmt::format("int8 contraction, {}, {}", bytes_by(target), packed);
  if (c.schedule.row_sum != ir::VarId::kNone)
    text += ", with sums of rows (weights less zero points exceed 8 bits)";
  return text;
}

std::string how_contraction(const ir::Program& program, const ir::Contraction& c, const Target& target) {
  switch (c.schedule.algorithm) {
    case ir::Algorithm::kGemm:
      return how_product(program, c, target);
    case ir::Algorithm::kWinograd:
      return fmt::format("{} convolution, Winograd F({}, 3)", name(c.accumulator_type),
                         c.schedule.winograd_tile);
    case ir::Algorithm::kDepthwise:
      if (!is_integer(program.buffer(c.a.buffer).dtype))
        return fmt::format("{} {} convolution, rows", name(c.accumulator_type),
                           passes::channel_groups(program, c) ? "grouped" : "depthwise");
      return fmt::format("int8 depthwise convolution, rows, sums in {} (exact)", name(c.accumulator_type));
    case ir::Algorithm::kNaive:
      return "loops";
  }
  return "";
}

bool has_vector_loop(const ir::Block& block) {
  bool found = false;
  ir::for_each_stmt(block, [&](const ir::Stmt& stmt) {
    const auto* loop = std::get_if<ir::For>(&stmt.node);
    found = found || (loop != nullptr && loop->kind == ir::LoopKind::kVector);
  });
  return found;
}

std::string how(const ir::Program& program, const ir::Kernel& kernel, const Target& target) {
  if (const auto* c = std::get_if<ir::Contraction>(&kernel.body)) return how_contraction(program, *c, target);
  if (const auto* call = std::get_if<ir::Call>(&kernel.body)) return "runtime kernel " + call->symbol;
  if (std::holds_alternative<ir::Attention>(kernel.body)) return "attention in one kernel";
  const bool vectors = has_vector_loop(std::get<ir::LoopNest>(kernel.body).body);
  const std::string text = vectors ? "loops, vectorised" : "loops";
  return kernel.note.empty() ? text : text + ": " + kernel.note;
}

}  // namespace

std::vector<KernelChoice> explain(const ir::Program& program, const Target& target) {
  std::vector<KernelChoice> choices;
  ir::for_each_step(program.main, [&](const ir::Step& step) {
    const auto* run = std::get_if<ir::KernelStep>(&step.node);
    if (run == nullptr) return;
    choices.push_back({run->kernel.origin, run->kernel.name, how(program, run->kernel, target)});
  });
  return choices;
}

}  // namespace dlc::codegen
