#include "passes/fusion/inline_map.h"

#include <algorithm>

#include "ir/kernel/simplify.h"
#include "passes/fusion/element_map.h"
#include "passes/fusion/names.h"

namespace dlc::passes {

using ir::BufferId;
using ir::Expr;
using ir::ExprOp;
using ir::Index;

namespace {

constexpr int kCheap = 4;         // cost of what may be computed several times
constexpr size_t kMaxLoads = 16;  // of a merged kernel
constexpr int kMaxOperations = 400;

// The expressions of one reader with the producer's elements computed in place.
class Inliner {
 public:
  Inliner(const ir::Program& program, const ElementMap& map)
      : program_(program), map_(map), root_(ir::root_of(program, map.out)) {}

  // The kernel with all loads replaced; nothing if an index would need divisions or an operand more than a
  // copy.
  std::optional<ir::Kernel> run(const ir::Kernel& reader) {
    ir::Kernel kernel = reader;
    ranges_ = ir::ranges_of(kernel);
    ir::rewrite_exprs(kernel, [&](const Expr& e) {
      return ir::rewrite(e, [&](const Expr& x) { return is_element(x) ? element(x) : Expr(); });
    });
    if (auto* c = std::get_if<ir::Contraction>(&kernel.body)) {
      redirect(c->a);
      redirect(c->b);
    }
    // What is left are operands of nodes that take whole buffers.
    for (BufferId id : ir::reads(kernel)) fits_ = fits_ && ir::root_of(program_, id) != root_;
    if (!fits_) return std::nullopt;
    return kernel;
  }

 private:
  bool is_element(const Expr& e) const {
    return e->op == ExprOp::kLoad && ir::root_of(program_, e->buffer) == root_;
  }

  // The index in the producer's domain of an element of a view of its buffer.
  Index domain_index(BufferId buffer, const Index& index) {
    std::optional<Index> at =
        ir::index_in_view(program_, map_.out, ir::index_in_root(program_, buffer, index));
    if (!at) {
      fits_ = false;
      return index;
    }
    for (Expr& e : *at) {
      e = ir::simplify(e, ranges_);
      fits_ = fits_ && is_division_free(e);
    }
    return *at;
  }

  Expr element(const Expr& load) {
    const Index at = domain_index(load->buffer, load->args);
    if (!fits_) return {};
    const Expr value = ir::simplify(map_.at(at), ranges_);
    for (const Expr& inner : loads_of(value)) {
      fits_ = fits_ && std::all_of(inner->args.begin(), inner->args.end(), is_division_free);
    }
    return value;
  }

  // An operand of a contraction reads what is copied directly.
  void redirect(ir::Operand& operand) {
    if (operand.buffer == BufferId::kNone || ir::root_of(program_, operand.buffer) != root_) return;
    const Expr source = copied(map_);
    if (!source || (operand.padded && !keeps_bounds(source))) {
      fits_ = false;
      return;
    }
    const Index at = domain_index(operand.buffer, operand.index);
    if (!fits_) return;
    Index index;
    for (const Expr& e : source->args) {
      index.push_back(ir::simplify(ElementMap{map_.out, map_.vars, e}.at(at), ranges_));
      fits_ = fits_ && is_linear(index.back());
    }
    operand.buffer = source->buffer;
    operand.index = std::move(index);
  }

  // An index beyond the bounds of the copy is beyond those of the source: axis by axis the same.
  bool keeps_bounds(const Expr& source) const { return map_.out == root_ && covers(program_, map_, source); }

  const ir::Program& program_;
  const ElementMap& map_;
  BufferId root_;
  ir::VarRanges ranges_;
  bool fits_ = true;
};

size_t count_loads(const ir::Kernel& kernel) {
  size_t count = 0;
  ir::visit_exprs(kernel, [&](const Expr& e) {
    ir::visit(e, [&](const ir::ExprNode& node) { count += node.op == ExprOp::kLoad ? 1 : 0; });
  });
  return count;
}

int count_operations(const ir::Kernel& kernel) {
  int count = 0;
  ir::visit_exprs(kernel, [&](const Expr& e) { ir::visit(e, [&](const ir::ExprNode&) { ++count; }); });
  return count;
}

// Loads of whole tensors rather than of single elements or rows that are repeated.
size_t full_loads(const ir::Program& program, const ElementMap& map) {
  const ir::Dim elements = ir::product(program.buffer(map.out).shape);
  size_t count = 0;
  for (const Expr& load : loads_of(map.value)) {
    const ir::Dim size = ir::product(program.buffer(load->buffer).shape);
    const bool smaller =
        size.is_constant() &&
        (size.value() == 1 || (elements.is_constant() && size.value() * 2 <= elements.value()));
    count += smaller ? 0 : 1;
  }
  return count;
}

// Whether a contraction reads the root within its sums.
bool is_operand(const ir::Program& program, const ir::Kernel& reader, BufferId root) {
  const auto* c = std::get_if<ir::Contraction>(&reader.body);
  if (c == nullptr) return false;
  bool in_term = false;
  if (c->has_parts()) {
    ir::visit(c->parts.term, [&](const ir::ExprNode& node) {
      in_term = in_term || (node.op == ExprOp::kLoad && ir::root_of(program, node.buffer) == root);
    });
  }
  return in_term || ir::root_of(program, c->a.buffer) == root || ir::root_of(program, c->b.buffer) == root;
}

// Whether the reader loads every element of the root once.
bool reads_once(const ir::Program& program, const ir::Kernel& reader, BufferId root) {
  if (const std::optional<ElementMap> map = element_map(program, reader)) {
    const Expr load = sole_load(program, map->value, root);
    return load && covers(program, *map, load);
  }
  const auto* c = std::get_if<ir::Contraction>(&reader.body);
  if (c == nullptr || !c->epilogue || is_operand(program, reader, root)) return false;
  const Expr load = sole_load(program, c->epilogue, root);
  return load && ir::product(program.buffer(load->buffer).shape) == ir::product(program.buffer(c->out).shape);
}

// A mask that all heads share would be computed anew for each.
bool is_attention(const ir::Kernel& reader) { return std::holds_alternative<ir::Attention>(reader.body); }

bool pays(const ir::Program& program, const KernelUses& uses, const ElementMap& map, BufferId root) {
  const int cost = cost_of(map.value);
  const size_t loads = full_loads(program, map);
  const std::set<size_t>& readers = uses.readers(root);
  const bool for_attention = std::any_of(readers.begin(), readers.end(), [&](size_t reader) {
    return is_attention(*uses.entry(reader).kernel);
  });
  if (for_attention) return static_cast<bool>(copied(map));
  if (readers.size() > 1) return (cost <= 1 && loads <= 1) || (cost <= kCheap && loads == 0);
  const ir::Kernel& reader = *uses.entry(*readers.begin()).kernel;
  if (is_operand(program, reader, root)) return static_cast<bool>(copied(map));
  return cost <= kCheap || reads_once(program, reader, root);
}

}  // namespace

bool inline_map(ir::Program& program, KernelUses& uses, size_t producer) {
  const KernelUses::Entry from = uses.entry(producer);
  const std::optional<ElementMap> map = element_map(program, *from.kernel);
  if (!map) return false;
  const BufferId root = ir::root_of(program, map->out);
  const std::set<size_t> readers = uses.readers(root);
  if (!uses.is_private(root) || uses.writers(root).size() != 1 || readers.empty()) return false;
  if (!pays(program, uses, *map, root)) return false;
  std::vector<std::pair<size_t, ir::Kernel>> merged;
  for (size_t reader : readers) {
    const KernelUses::Entry& to = uses.entry(reader);
    if (reader <= producer || to.region != from.region) return false;
    if (std::holds_alternative<ir::Call>(to.kernel->body)) return false;
    if (uses.written_between(producer, reader + 1, from.reads)) return false;
    std::optional<ir::Kernel> kernel = Inliner(program, *map).run(*to.kernel);
    if (!kernel) return false;
    if (count_loads(*kernel) > kMaxLoads || count_operations(*kernel) > kMaxOperations) return false;
    if (!copied(*map)) kernel->name = merged_name(from.kernel->name, to.kernel->name);
    merged.emplace_back(reader, std::move(*kernel));
  }
  for (auto& [reader, kernel] : merged) {
    *uses.entry(reader).kernel = std::move(kernel);
    uses.refresh(reader);
  }
  uses.kill(producer);
  return true;
}

}  // namespace dlc::passes
