#include "passes/schedule/pack_blocks.h"

#include "passes/schedule/constant_walk.h"
#include "passes/schedule/panels.h"

namespace dlc::passes {

using ir::ContractionAxis;
using ir::Expr;
using ir::ExprOp;

namespace {

struct BlockLayout {
  int64_t columns, parts, depth;  // N, parts, elements of a part
  int64_t span, halves;

  int64_t step() const { return span * halves; }
  std::vector<int64_t> shape() const {
    return {
        (columns + kPanelColumns - 1) / kPanelColumns, parts, depth / step(), kPanelColumns, span, halves};
  }
};

BlockLayout layout_of(const ir::Program& program, const ir::Contraction& c, const GemmForm& form) {
  const bool nibbles = program.buffer(c.b.buffer).dtype == DType::kUint4;
  return {.columns = form.n.extent.value(),
          .parts = form.windows[0].extent.value(),
          .depth = form.k.extent.value(),
          .span = is_integer(c.parts.type) ? 4 : 1,
          .halves = nibbles ? 2 : 1};
}

// Element `i` of B's storage.
uint8_t element(const Tensor& tensor, int64_t i) {
  const auto* bytes = static_cast<const uint8_t*>(tensor.data());
  if (tensor.dtype() != DType::kUint4) return bytes[i];
  return static_cast<uint8_t>(bytes[i / 2] >> (i % 2 * 4) & 15);
}

// The bytes of one step along K of one column: `span` of them, with the halves in each.
void pack_step(const Tensor& from, int64_t start, int64_t stride, const BlockLayout& layout, uint8_t* to) {
  for (int64_t i = 0; i < layout.span; ++i) {
    to[i] = 0;
    for (int64_t half = 0; half < layout.halves; ++half) {
      const uint8_t value = element(from, start + (half * layout.span + i) * stride);
      to[i] = static_cast<uint8_t>(to[i] | value << (4 * half));
    }
  }
}

Tensor packed_blocks(const Tensor& from, const ConstantWalk& walk, const GemmForm& form,
                     const BlockLayout& layout) {
  Tensor packed(from.dtype(), layout.shape());
  auto* to = static_cast<uint8_t*>(packed.mutable_data());
  const int64_t n_step = walk.step.at(form.n.var), part_step = walk.step.at(form.windows[0].var),
                k_step = walk.step.at(form.k.var);
  for (int64_t first = 0; first < layout.columns; first += kPanelColumns) {
    for (int64_t part = 0; part < layout.parts; ++part) {
      for (int64_t k = 0; k < layout.depth; k += layout.step()) {
        for (int64_t n = first; n < first + kPanelColumns; ++n, to += layout.span) {
          const int64_t start = walk.start + n * n_step + part * part_step + k * k_step;
          if (n < layout.columns) pack_step(from, start, k_step, layout, to);
        }
      }
    }
  }
  return packed;
}

std::vector<Expr> block_index(const GemmForm& form, const BlockLayout& layout) {
  const Expr n = ir::var(form.n.var), k = ir::var(form.k.var);
  auto quotient = [](const Expr& e, int64_t by) {
    return by == 1 ? e : ir::binary(ExprOp::kFloorDiv, e, ir::integer(by));
  };
  auto rest = [](const Expr& e, int64_t by) {
    return by == 1 ? ir::integer(0) : ir::binary(ExprOp::kMod, e, ir::integer(by));
  };
  return {quotient(n, kPanelColumns), ir::var(form.windows[0].var),
          quotient(k, layout.step()), rest(n, kPanelColumns),
          rest(k, layout.span),       rest(quotient(k, layout.span), layout.halves)};
}

// An integer that is a constant, or none.
bool is_number(const Expr& zero_point) { return !zero_point || zero_point->op == ExprOp::kInt; }

}  // namespace

bool is_block_product(const ir::Program& program, const ir::Contraction& c, const GemmForm& form) {
  if (!c.has_parts() || c.a.padded || c.a.zero_point || c.accumulator_type != DType::kFloat) return false;
  if (form.windows.size() != 1 || form.windows[0].var != c.parts.axis || !form.batch.empty()) return false;
  const DType a = program.buffer(c.a.buffer).dtype, b = program.buffer(c.b.buffer).dtype;
  if (b != DType::kUint4 && b != DType::kUint8) return false;
  const bool bytes = a == DType::kInt8 && c.parts.type == DType::kInt32 && !c.b.zero_point;
  const bool floats =
      is_float(a) && bit_width(a) <= 32 && c.parts.type == DType::kFloat && is_number(c.b.zero_point);
  if (!bytes && !floats) return false;
  for (const ContractionAxis* axis : {&form.n, &form.k, &form.windows[0]}) {
    if (!axis->extent.is_constant()) return false;
  }
  return form.k.extent.value() % layout_of(program, c, form).step() == 0 &&
         constant_walk(program, c).has_value();
}

void pack_blocks(ir::Program& program, ir::Contraction& c, const GemmForm& form) {
  const BlockLayout layout = layout_of(program, c, form);
  const ir::Buffer& source = program.buffer(ir::root_of(program, c.b.buffer));
  ir::Buffer buffer;
  buffer.name = source.name + ".blocks";
  buffer.kind = ir::BufferKind::kConstant;
  buffer.dtype = source.dtype;
  buffer.constant = packed_blocks(source.constant, constant_walk(program, c).value(), form, layout);
  for (int64_t extent : layout.shape()) buffer.shape.emplace_back(extent);
  c.b.buffer = program.add_buffer(std::move(buffer));
  c.b.index = block_index(form, layout);
  c.schedule.algorithm = ir::Algorithm::kGemm;
  c.schedule.panel = static_cast<int>(kPanelColumns);
  c.schedule.b_packed = true;
  c.schedule.group = static_cast<int>(layout.span);
}

}  // namespace dlc::passes
