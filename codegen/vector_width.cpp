#include "codegen/vector_width.h"

#include <algorithm>

namespace dlc::codegen {

namespace {

struct ElementBits {
  int widest = 8;
  int narrowest = 64;
  void add(DType type) {
    const int bits = std::max(8, bit_width(type));
    widest = std::max(widest, bits);
    narrowest = std::min(narrowest, bits);
  }
};

void collect(const ir::Expr& e, ElementBits& bits) {
  ir::visit(e, [&](const ir::ExprNode& node) {
    if (node.op == ir::ExprOp::kLoad) bits.add(node.type);
  });
}

void collect(const ir::Block& block, ElementBits& bits) {
  for (const ir::Stmt& stmt : block) {
    if (auto* loop = std::get_if<ir::For>(&stmt.node)) collect(loop->body, bits);
    if (auto* conditional = std::get_if<ir::If>(&stmt.node)) {
      collect(conditional->condition, bits);
      collect(conditional->then_body, bits);
    }
    if (auto* store = std::get_if<ir::Store>(&stmt.node)) {
      bits.add(store->value.type());
      collect(store->value, bits);
    }
    if (auto* let = std::get_if<ir::Let>(&stmt.node)) collect(let->value, bits);
    if (auto* assign = std::get_if<ir::Assign>(&stmt.node)) collect(assign->value, bits);
    if (auto* reduce = std::get_if<ir::Reduce>(&stmt.node)) {
      bits.add(reduce->value.type());
      collect(reduce->value, bits);
    }
  }
}

ElementBits element_bits(const ir::For& loop) {
  ElementBits bits;
  collect(loop.body, bits);
  return bits;
}

}  // namespace

int vector_width(const ir::For& loop, const Target& target) {
  const int floats = target.float_lanes();
  return std::clamp(target.vector_bits / element_bits(loop).widest, floats / 2, floats * 2);
}

bool masked_tail(const ir::For& loop, const Target& target) {
  return target.has_masks || (target.isa == Isa::kX86V3 && element_bits(loop).narrowest >= 32);
}

}  // namespace dlc::codegen
