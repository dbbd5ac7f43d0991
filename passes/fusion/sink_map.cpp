#include "passes/fusion/sink_map.h"

#include <algorithm>

#include "ir/kernel/lower.h"
#include "ir/kernel/simplify.h"
#include "passes/fusion/element_map.h"
#include "passes/fusion/names.h"

namespace dlc::passes {

using ir::BufferId;
using ir::Expr;
using ir::Index;

namespace {

// The one place where a kernel writes a buffer.
struct Target {
  BufferId buffer = BufferId::kNone;
  Index index;
  DType type = DType::kUndefined;
};

// The only store of a nest and the loops around it; nothing if there are several, or a loop that does not
// move it.
const ir::Store* only_store(const ir::Block& block, std::vector<ir::VarId>& loops, int& count) {
  const ir::Store* found = nullptr;
  for (const ir::Stmt& stmt : block) {
    if (auto* loop = std::get_if<ir::For>(&stmt.node)) {
      std::vector<ir::VarId> inner = loops;
      inner.push_back(loop->var);
      if (const ir::Store* store = only_store(loop->body, inner, count)) {
        found = store;
        loops = inner;
      }
    } else if (auto* store = std::get_if<ir::Store>(&stmt.node)) {
      ++count;
      found = store;
    } else if (std::holds_alternative<ir::If>(stmt.node) || std::holds_alternative<ir::Scatter>(stmt.node)) {
      count += 2;
    }
  }
  return count == 1 ? found : nullptr;
}

std::optional<Target> target_of(const ir::Program& program, const ir::Kernel& kernel) {
  if (auto* c = std::get_if<ir::Contraction>(&kernel.body)) {
    return Target{c->out, c->out_index, program.buffer(c->out).dtype};
  }
  auto* nest = std::get_if<ir::LoopNest>(&kernel.body);
  if (nest == nullptr) return std::nullopt;
  std::vector<ir::VarId> loops;
  int count = 0;
  const ir::Store* store = only_store(nest->body, loops, count);
  if (store == nullptr) return std::nullopt;
  const bool all_move = std::all_of(loops.begin(), loops.end(), [&](ir::VarId v) {
    return std::any_of(store->index.begin(), store->index.end(),
                       [&](const Expr& e) { return ir::uses_var(e, v); });
  });
  if (!all_move) return std::nullopt;
  return Target{store->buffer, store->index, program.buffer(store->buffer).dtype};
}

// Rewrites the reader in the producer's coordinates.
class Sink {
 public:
  Sink(ir::Program& program, const ir::Kernel& producer, const Target& target, const ElementMap& map)
      : program_(program),
        map_(map),
        ranges_(ir::ranges_of(producer)),
        root_(ir::root_of(program, target.buffer)),
        stored_(ir::var(program.fresh_var(), target.type)) {
    root_index_ = ir::index_in_root(program, target.buffer, target.index);
    complete_ = ir::index_in_view(program, target.buffer, root_index_).has_value();
  }

  // False if the reader does not fit; otherwise out(), index() and value() are set.
  bool run() {
    if (!complete_ || !find_load()) return false;
    std::optional<Index> in_view = ir::index_in_view(program_, load_->buffer, root_index_);
    if (!in_view) return false;
    index_.assign(map_.vars.size(), ir::integer(0));
    for (size_t axis = 0; axis < load_->args.size(); ++axis) {
      if (load_->args[axis]->op != ir::ExprOp::kVar) continue;
      const auto at = std::find(map_.vars.begin(), map_.vars.end(), load_->args[axis]->var);
      index_[static_cast<size_t>(at - map_.vars.begin())] = ir::simplify((*in_view)[axis], ranges_);
    }
    return rewrite_value() && choose_out();
  }

  BufferId out() const { return out_; }
  const Index& index() const { return out_index_; }
  // In terms of stored(), which stands for what the producer would have stored.
  const Expr& value() const { return value_; }
  const Expr& stored() const { return stored_; }

 private:
  // All loads of the producer's buffer are one and cover it.
  bool find_load() {
    load_ = sole_load(program_, map_.value, root_);
    return load_ && covers(program_, map_, load_);
  }

  static bool division_free(const Index& index) {
    return std::all_of(index.begin(), index.end(), is_division_free);
  }

  // Whether an access runs over its buffer as the reader runs over its own domain.
  bool is_plain(BufferId buffer, const Index& index) const {
    if (program_.buffer(buffer).shape != program_.buffer(map_.out).shape) return false;
    for (size_t i = 0; i < index.size(); ++i) {
      const bool same_var = index[i]->op == ir::ExprOp::kVar && index[i]->var == map_.vars[i];
      if (!same_var && !(map_.vars[i] == ir::VarId::kNone && index[i]->op == ir::ExprOp::kInt)) return false;
    }
    return true;
  }

  // A view of a plainly accessed buffer in the shape of the producer's, where the reader sees a reshaped one;
  // kNone if there is none.
  BufferId reshaped(BufferId buffer) {
    const ir::Buffer& seen = program_.buffer(load_->buffer);
    if (!seen.view || seen.view->kind != ir::ViewKind::kReshape || seen.view->base != root_)
      return BufferId::kNone;
    if (!is_plain(load_->buffer, load_->args)) return BufferId::kNone;
    ir::Buffer view;
    view.name = program_.buffer(buffer).name;
    view.dtype = program_.buffer(buffer).dtype;
    view.shape = program_.buffer(root_).shape;
    view.view = ir::View{buffer, ir::ViewKind::kReshape};
    const BufferId id = program_.add_buffer(std::move(view));
    if (ir::strides_of(program_, id)) return id;
    program_.buffers.pop_back();
    return BufferId::kNone;
  }

  Expr moved_load(const Expr& load) {
    Index index;
    for (const Expr& e : load->args) {
      index.push_back(ir::simplify(ElementMap{map_.out, map_.vars, e}.at(index_), ranges_));
    }
    if (division_free(index)) return ir::load(load->buffer, load->type, std::move(index));
    if (!is_plain(load->buffer, load->args)) return {};
    const BufferId view = reshaped(load->buffer);
    return view == BufferId::kNone ? Expr() : ir::load(view, load->type, root_index_);
  }

  bool rewrite_value() {
    bool fits = true;
    value_ = ir::rewrite(map_.value, [&](const Expr& e) {
      if (e->op == ir::ExprOp::kLoad) {
        if (ir::same(e, load_)) return stored_;
        const Expr moved = moved_load(e);
        fits = fits && moved;
        return moved;
      }
      return Expr();
    });
    if (!fits) return false;
    // Variables outside of loads.
    value_ = ElementMap{map_.out, map_.vars, value_}.at(index_);
    return true;
  }

  bool choose_out() {
    out_ = map_.out;
    out_index_ = index_;
    if (std::all_of(index_.begin(), index_.end(), is_linear)) return true;
    out_ = reshaped(map_.out);
    out_index_ = root_index_;
    return out_ != BufferId::kNone;
  }

  ir::Program& program_;
  const ElementMap& map_;
  ir::VarRanges ranges_;
  BufferId root_;
  Expr stored_;
  Index root_index_;
  bool complete_ = false;
  Expr load_;
  Index index_;  // of the reader's domain
  BufferId out_ = BufferId::kNone;
  Index out_index_;
  Expr value_;
};

void replace_store(ir::Program& program, ir::Block& block, const Sink& sink) {
  for (size_t i = 0; i < block.size(); ++i) {
    if (auto* loop = std::get_if<ir::For>(&block[i].node)) replace_store(program, loop->body, sink);
    auto* store = std::get_if<ir::Store>(&block[i].node);
    if (store == nullptr) continue;
    const Expr stored = store->value;
    *store = {sink.out(), sink.index(), sink.value()};
    block.insert(block.begin() + static_cast<std::ptrdiff_t>(i), ir::let(sink.stored()->var, stored));
    return;
  }
}

void apply(ir::Program& program, ir::Kernel& kernel, const Sink& sink) {
  if (auto* c = std::get_if<ir::Contraction>(&kernel.body)) {
    const Expr stored = c->epilogue;
    c->epilogue =
        ir::substitute(sink.value(), [&](ir::VarId v) { return v == sink.stored()->var ? stored : Expr(); });
    c->out = sink.out();
    c->out_index = sink.index();
    return;
  }
  replace_store(program, std::get<ir::LoopNest>(kernel.body).body, sink);
}

}  // namespace

bool sink_map(ir::Program& program, KernelUses& uses, size_t producer) {
  const KernelUses::Entry& from = uses.entry(producer);
  const std::optional<Target> target = target_of(program, *from.kernel);
  if (!target) return false;
  const BufferId root = ir::root_of(program, target->buffer);
  if (!uses.is_private(root) || uses.writers(root).size() != 1 || uses.readers(root).size() != 1)
    return false;
  const size_t reader = *uses.readers(root).begin();
  const KernelUses::Entry& to = uses.entry(reader);
  if (reader <= producer || to.region != from.region) return false;
  if (uses.written_between(producer, reader + 1, from.reads)) return false;
  const std::optional<ElementMap> map = element_map(program, *to.kernel);
  if (!map) return false;
  Sink sink(program, *from.kernel, *target, *map);
  if (!sink.run()) return false;
  ir::Kernel merged = *from.kernel;
  apply(program, merged, sink);
  merged.name = merged_name(from.kernel->name, to.kernel->name);
  *to.kernel = std::move(merged);
  uses.kill(producer);
  uses.refresh(reader);
  return true;
}

}  // namespace dlc::passes
