#include <algorithm>

#include "passes/fusion/element_map.h"
#include "passes/fusion/fuse_kernels.h"
#include "passes/fusion/kernel_uses.h"
#include "passes/plan_memory.h"

namespace dlc::passes {

using ir::BufferId;
using ir::Expr;
using ir::Index;

namespace {

class CopyElider {
 public:
  explicit CopyElider(ir::Program& program)
      : program_(program), uses_(program), late_(late_symbols(program)) {
    for (size_t i = 0; i < program.buffers.size(); ++i) {
      const auto id = static_cast<BufferId>(i);
      views_[ir::root_of(program, id)].push_back(id);
    }
  }

  void run() {
    for (size_t i = 0; i < uses_.entries().size(); ++i) {
      if (!uses_.entry(i).dead) elide(i);
    }
    uses_.sweep();
  }

 private:
  void elide(size_t copy) {
    const std::optional<ElementMap> map = element_map(program_, *uses_.entry(copy).kernel);
    if (!map || !copied(*map)) return;
    const Expr source = copied(*map);
    const BufferId from = ir::root_of(program_, source->buffer);
    const BufferId to = ir::root_of(program_, map->out);
    if (from == to || !covers(program_, *map, source) || !is_whole(source->buffer)) return;
    if (program_.buffer(from).dtype != program_.buffer(to).dtype || !may_move(copy, from, to)) return;
    if (become_view(from, *map, source)) {
      for (size_t writer : std::set<size_t>(uses_.writers(from))) uses_.refresh(writer);
      for (size_t reader : std::set<size_t>(uses_.readers(from))) uses_.refresh(reader);
      uses_.kill(copy);
    }
  }

  // Whether a stack of views shows every element of its root once.
  bool is_whole(BufferId id) const {
    const Index zeros(program_.buffer(ir::root_of(program_, id)).shape.size(), ir::integer(0));
    return ir::index_in_view(program_, id, zeros).has_value();
  }

  bool depends_on_data(BufferId root) const { return uses_any(buffer_bytes(program_.buffer(root)), late_); }

  bool may_move(size_t copy, BufferId from, BufferId to) const {
    const ir::BufferKind kind = program_.buffer(to).kind;
    if (!uses_.is_private(from) || (kind != ir::BufferKind::kTemp && kind != ir::BufferKind::kOutput))
      return false;
    if (depends_on_data(from) || depends_on_data(to)) return false;
    const std::set<size_t>& writers = uses_.writers(from);
    if (writers.empty()) return false;
    for (size_t writer : writers) {
      const KernelUses::Entry& entry = uses_.entry(writer);
      if (writer >= copy || entry.region != uses_.entry(copy).region) return false;
      if (std::find(entry.reads.begin(), entry.reads.end(), to) != entry.reads.end()) return false;
    }
    if (used_by_call(from)) return false;
    // What the target holds before the copy is still needed, if anyone reads it; what it holds afterwards is
    // what the source's other readers see.
    const size_t first = *writers.begin();
    return !uses_.read_between(first, copy, to) && others_stay_away(first, copy, from, to);
  }

  // Runtime kernels want dense buffers.
  bool used_by_call(BufferId root) const {
    auto is_call = [&](size_t number) {
      return std::holds_alternative<ir::Call>(uses_.entry(number).kernel->body);
    };
    return std::any_of(uses_.writers(root).begin(), uses_.writers(root).end(), is_call) ||
           std::any_of(uses_.readers(root).begin(), uses_.readers(root).end(), is_call);
  }

  // Whether no other kernel changes the part of the target that the copy writes while the source is in use.
  bool others_stay_away(size_t first, size_t copy, BufferId from, BufferId to) const {
    const BufferId part = ir::writes(*uses_.entry(copy).kernel).front();
    const bool is_read_elsewhere = uses_.readers(from).size() > 1;
    for (size_t writer : uses_.writers(to)) {
      if (writer == copy || writer < first || (writer > copy && !is_read_elsewhere)) continue;
      for (BufferId other : ir::writes(*uses_.entry(writer).kernel)) {
        if (ir::root_of(program_, other) == to && !are_disjoint(part, other)) return false;
      }
    }
    return true;
  }

  // Two slices of one buffer that have no element in common.
  bool are_disjoint(BufferId a, BufferId b) const {
    const auto slice_of = [&](BufferId id) {
      while (program_.buffer(id).view && program_.buffer(id).view->kind == ir::ViewKind::kPermute &&
             is_identity(program_.buffer(id).view->perm)) {
        id = program_.buffer(id).view->base;
      }
      return id;
    };
    a = slice_of(a);
    b = slice_of(b);
    const ir::Buffer &x = program_.buffer(a), &y = program_.buffer(b);
    if (!x.view || !y.view || x.view->base != y.view->base) return false;
    if (x.view->kind != ir::ViewKind::kSlice || y.view->kind != ir::ViewKind::kSlice) return false;
    const auto ends_before = [](const ir::Buffer& p, const ir::Buffer& q, size_t axis) {
      const ir::Dim end = p.view->start[axis] + (p.shape[axis] - 1) * p.view->step[axis];
      return ir::lower_bound(q.view->start[axis] - end).value_or(0) > 0;
    };
    for (size_t axis = 0; axis < x.shape.size(); ++axis) {
      if (ends_before(x, y, axis) || ends_before(y, x, axis)) return true;
    }
    return false;
  }

  static bool is_identity(const std::vector<int>& perm) {
    for (size_t i = 0; i < perm.size(); ++i) {
      if (perm[i] != static_cast<int>(i)) return false;
    }
    return true;
  }

  // The source's root becomes a view of what the copy writes: the views between them, inverted.
  bool become_view(BufferId from, const ElementMap& map, const Expr& source) {
    const size_t before = program_.buffers.size();
    BufferId at = permuted(map, source);
    for (BufferId id = source->buffer; id != from; id = program_.buffer(id).view->base) at = inverted(id, at);
    // `at` has the shape of `from` now: `from` takes its place.
    const ir::Buffer old = program_.buffer(from);
    program_.buffer(from).view = program_.buffer(at).view;
    program_.buffer(from).order.clear();
    const bool fits = std::all_of(views_[from].begin(), views_[from].end(),
                                  [&](BufferId view) { return ir::strides_of(program_, view).has_value(); });
    if (!fits) {
      program_.buffer(from) = old;
      program_.buffers.resize(before);
      return false;
    }
    std::vector<BufferId>& moved = views_[from];
    std::vector<BufferId>& all = views_[ir::root_of(program_, from)];
    all.insert(all.end(), moved.begin(), moved.end());
    return true;
  }

  BufferId add_view(ir::Shape shape, ir::View view) {
    ir::Buffer buffer;
    buffer.name = program_.buffer(view.base).name;
    buffer.dtype = program_.buffer(view.base).dtype;
    buffer.shape = std::move(shape);
    buffer.view = std::move(view);
    return program_.add_buffer(std::move(buffer));
  }

  // The copy's target with its axes in the order of the source's.
  BufferId permuted(const ElementMap& map, const Expr& source) {
    const ir::Shape& shape = program_.buffer(source->buffer).shape;
    ir::View view{map.out, ir::ViewKind::kPermute};
    std::vector<size_t> free;
    for (size_t i = 0; i < map.vars.size(); ++i) {
      const bool used = std::any_of(source->args.begin(), source->args.end(), [&](const Expr& e) {
        return e->op == ir::ExprOp::kVar && e->var == map.vars[i];
      });
      if (!used) free.push_back(i);
    }
    if (shape.size() != map.vars.size()) return add_view(shape, {map.out, ir::ViewKind::kReshape});
    for (const Expr& e : source->args) {
      size_t axis = 0;
      if (e->op == ir::ExprOp::kVar) {
        axis = static_cast<size_t>(std::find(map.vars.begin(), map.vars.end(), e->var) - map.vars.begin());
      } else {
        axis = free.front();
        free.erase(free.begin());
      }
      view.perm.push_back(static_cast<int>(axis));
    }
    return add_view(shape, std::move(view));
  }

  // A view of `at`, which has the shape of the view `id`, in the shape of that view's base.
  BufferId inverted(BufferId id, BufferId at) {
    const ir::View view = *program_.buffer(id).view;
    const ir::Shape shape = program_.buffer(view.base).shape;
    if (view.kind != ir::ViewKind::kPermute) return add_view(shape, {at, ir::ViewKind::kReshape});
    ir::View inverse{at, ir::ViewKind::kPermute};
    inverse.perm.resize(view.perm.size());
    for (size_t i = 0; i < view.perm.size(); ++i)
      inverse.perm[static_cast<size_t>(view.perm[i])] = static_cast<int>(i);
    return add_view(shape, std::move(inverse));
  }

  ir::Program& program_;
  KernelUses uses_;
  std::set<std::string> late_;
  std::map<BufferId, std::vector<BufferId>> views_;  // of each root, itself included
};

}  // namespace

void elide_copies(ir::Program& program, const Options&) { CopyElider(program).run(); }

}  // namespace dlc::passes
