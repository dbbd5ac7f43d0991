#include "passes/choose_layouts.h"

#include <algorithm>
#include <set>

#include "ir/kernel/lower.h"
#include "passes/schedule/access.h"

namespace dlc::passes {

using ir::AxisRole;
using ir::Buffer;
using ir::BufferId;
using ir::BufferKind;
using ir::Contraction;
using ir::Expr;
using ir::VarId;

namespace {

using Axes = std::vector<int>;  // axes that should be innermost, in order

// The axes of the base that an axis of a reshape view is made of; nothing if they are shared with other axes.
std::optional<Axes> reshape_axes(const ir::Shape& shape, const ir::Shape& base, int axis) {
  size_t i = 0, j = 0;
  while (j < shape.size()) {
    const size_t first_base = i, first = j;
    ir::Dim left = 1, right = shape[j++];
    while (i < base.size() && left != right) left *= base[i++];
    while (left != right && j < shape.size()) right *= shape[j++];
    if (left != right) return std::nullopt;
    if (static_cast<size_t>(axis) < first || static_cast<size_t>(axis) >= j) continue;
    // An axis of a group of several is a part of the base's axes: the whole group moves.
    Axes axes;
    for (size_t k = first_base; k < i; ++k) axes.push_back(static_cast<int>(k));
    if (j - first > 1 && axes.size() > 1) return std::nullopt;
    return axes;
  }
  return std::nullopt;
}

// `axes` of a buffer in terms of its root.
std::optional<Axes> to_root(const ir::Program& program, BufferId id, Axes axes) {
  while (program.buffer(id).view) {
    const Buffer& buffer = program.buffer(id);
    const ir::Shape& base = program.buffer(buffer.view->base).shape;
    Axes mapped;
    for (int axis : axes) {
      switch (buffer.view->kind) {
        case ir::ViewKind::kPermute:
          mapped.push_back(buffer.view->perm[static_cast<size_t>(axis)]);
          break;
        case ir::ViewKind::kSlice:
          mapped.push_back(axis);
          break;
        case ir::ViewKind::kExpand: {
          const int added = static_cast<int>(buffer.shape.size() - base.size());
          if (axis < added) return std::nullopt;
          mapped.push_back(axis - added);
          break;
        }
        case ir::ViewKind::kReshape: {
          std::optional<Axes> group = reshape_axes(buffer.shape, base, axis);
          if (!group) return std::nullopt;
          mapped.insert(mapped.end(), group->begin(), group->end());
          break;
        }
      }
    }
    axes = std::move(mapped);
    id = buffer.view->base;
  }
  return axes;
}

Axes order_with_innermost(size_t rank, const Axes& innermost) {
  Axes order;
  for (int axis = 0; axis < static_cast<int>(rank); ++axis) {
    if (std::find(innermost.begin(), innermost.end(), axis) == innermost.end()) order.push_back(axis);
  }
  order.insert(order.end(), innermost.begin(), innermost.end());
  return order;
}

bool is_row_major(const Axes& order) { return std::is_sorted(order.begin(), order.end()); }

// The axis of a buffer that the variable alone moves by single steps.
std::optional<int> axis_of(const std::vector<Expr>& index, VarId v) {
  const std::vector<size_t> uses = uses_of(index, v);
  return uses.size() == 1 ? std::optional(static_cast<int>(uses[0])) : std::nullopt;
}

// A matrix product over row-major operands has its wishes fulfilled already.
bool is_convolution(const Contraction& c) {
  return c.out_index.size() >= 3 &&
         std::any_of(c.axes.begin(), c.axes.end(), [](const ir::ContractionAxis& axis) {
           return axis.role == AxisRole::kWindow || axis.role == AxisRole::kM;
         });
}

std::optional<VarId> axis_with(const Contraction& c, AxisRole role) {
  std::optional<VarId> found;
  for (const ir::ContractionAxis& axis : c.axes) {
    if (axis.role != role) continue;
    if (found && axis.extent == ir::Dim(1)) continue;
    found = axis.var;
  }
  return found;
}

// The channel of a depthwise convolution is its batch (group) axis: no K and no N of more than one.
bool is_depthwise(const Contraction& c) {
  bool has_group = false;
  for (const ir::ContractionAxis& axis : c.axes) {
    const bool unit = axis.extent == ir::Dim(1);
    if ((axis.role == AxisRole::kK || axis.role == AxisRole::kN) && !unit) return false;
    has_group |= axis.role == AxisRole::kBatch && !unit && !uses_of(c.b.index, axis.var).empty();
  }
  return has_group;
}

std::optional<VarId> summed_axis(const Contraction& c) {
  return axis_with(c, is_depthwise(c) ? AxisRole::kBatch : AxisRole::kK);
}
std::optional<VarId> n_axis(const Contraction& c) {
  return axis_with(c, is_depthwise(c) ? AxisRole::kBatch : AxisRole::kN);
}

bool has_window(const Contraction& c) {
  return std::any_of(c.axes.begin(), c.axes.end(),
                     [](const ir::ContractionAxis& axis) { return axis.role == AxisRole::kWindow; });
}

// The copies around the convolutions of a region whose operands keep another order. Convolutions of one input
// share its copy, and those that write parts of one result, such as the phases of a transposed convolution,
// share the copy that is written back when all have run.
class RegionCopies {
 public:
  RegionCopies(ir::Program& program, ir::Region& region) : program_(program), steps_(region.steps) {}

  void run() {
    for (at_ = 0; at_ < steps_.size(); ++at_) {
      auto* step = std::get_if<ir::KernelStep>(&steps_[at_].node);
      if (step == nullptr) {
        write_back();
        inputs_.clear();
        continue;
      }
      auto* c = std::get_if<Contraction>(&step->kernel.body);
      const bool windowed = c != nullptr && is_convolution(*c) && has_window(*c);
      const std::optional<int> out_axis =
          windowed ? wrong_axis(c->out, c->out_index, n_axis(*c)) : std::nullopt;
      const bool joins = out_axis && result_ && result_->out == c->out && !reads_result(step->kernel);
      if (result_ && !joins && (out_axis || touches_result(step->kernel))) write_back();
      if (windowed) {
        // Inserting steps moves the kernel.
        Contraction& moved = copy_input();
        if (out_axis) copy_result(moved, *out_axis);
      }
      forget_inputs(ir::writes(kernel().kernel));
    }
    write_back();
  }

 private:
  // The steps that write parts of `out`, by way of `copy`; not yet inserted.
  struct Result {
    BufferId out;
    BufferId copy;
    ir::Dim written = 0;
    size_t last = 0;  // of the steps that write it
    std::vector<ir::Step> parts = {};
    std::string origin = {};
  };

  ir::KernelStep& kernel() { return std::get<ir::KernelStep>(steps_[at_].node); }

  // The axis that the variable moves, where it is not the innermost.
  std::optional<int> wrong_axis(BufferId id, const std::vector<Expr>& index, std::optional<VarId> v) const {
    if (!v || is_contiguous(program_, id, index, *v)) return std::nullopt;
    return axis_of(index, *v);
  }

  bool shares_root(const std::vector<BufferId>& ids, BufferId buffer) const {
    const BufferId root = ir::root_of(program_, buffer);
    return std::any_of(ids.begin(), ids.end(),
                       [&](BufferId id) { return ir::root_of(program_, id) == root; });
  }
  bool reads_result(const ir::Kernel& kernel) const { return shares_root(ir::reads(kernel), result_->out); }
  bool touches_result(const ir::Kernel& kernel) const {
    return reads_result(kernel) || shares_root(ir::writes(kernel), result_->out);
  }

  void forget_inputs(const std::vector<BufferId>& written) {
    std::erase_if(inputs_, [&](const auto& entry) { return shares_root(written, entry.first.first); });
  }

  void insert(size_t position, ir::Step step) {
    steps_.insert(steps_.begin() + static_cast<std::ptrdiff_t>(position), std::move(step));
    if (position <= at_) ++at_;
  }

  // Returns the contraction at hand.
  Contraction& copy_input() {
    auto contraction = [this]() -> Contraction& { return std::get<Contraction>(kernel().kernel.body); };
    const Contraction& c = contraction();
    const std::optional<int> axis = wrong_axis(c.a.buffer, c.a.index, summed_axis(c));
    if (!axis) return contraction();
    const BufferId from = c.a.buffer;
    auto [known, is_new] = inputs_.try_emplace({from, *axis}, BufferId::kNone);
    if (is_new) {
      known->second = reordered(from, *axis);
      insert(at_, copy_kernel(from, known->second, kernel().kernel.origin));
    }
    contraction().a.buffer = known->second;
    return contraction();
  }

  void copy_result(Contraction& c, int axis) {
    if (!result_) {
      result_ = Result{.out = c.out, .copy = reordered(c.out, axis)};
      result_->origin = kernel().kernel.origin;
    }
    ir::Dim written = 1;
    for (const ir::ContractionAxis& output : c.axes) {
      if (output.role != AxisRole::kK && output.role != AxisRole::kWindow) written *= output.extent;
    }
    result_->written += written;
    result_->last = at_;
    result_->parts.push_back(copy_written(c, result_->copy, kernel().kernel.origin));
    c.out = result_->copy;
  }

  // The elements that contractions write are different ones: as many as there are, are all.
  void write_back() {
    if (!result_) return;
    forget_inputs({result_->out});
    size_t position = result_->last + 1;
    if (result_->written == ir::product(program_.buffer(result_->out).shape)) {
      insert(position, copy_kernel(result_->copy, result_->out, result_->origin));
    } else {
      for (ir::Step& part : result_->parts) insert(position++, std::move(part));
    }
    result_.reset();
  }

  // A temporary with the shape of `id`, with one axis innermost.
  BufferId reordered(BufferId id, int innermost) {
    Buffer copy;
    copy.name = program_.buffer(id).name;
    copy.dtype = program_.buffer(id).dtype;
    copy.shape = program_.buffer(id).shape;
    copy.order = order_with_innermost(copy.shape.size(), {innermost});
    return program_.add_buffer(std::move(copy));
  }

  ir::Step copy_kernel(BufferId from, BufferId to, const std::string& origin) {
    const ir::Shape shape = program_.buffer(to).shape;
    std::vector<VarId> vars;
    std::vector<Expr> index;
    for (size_t i = 0; i < shape.size(); ++i) {
      vars.push_back(program_.fresh_var());
      index.push_back(ir::var(vars.back()));
    }
    ir::Block body = {ir::store(to, index, ir::load(from, program_.buffer(from).dtype, index))};
    return ir::Step{ir::KernelStep{
        ir::Kernel{"reorder", origin, ir::LoopNest{ir::nest(vars, shape, shape.size(), body)}}}};
  }

  // Copies what the contraction writes to its result, from `from`.
  ir::Step copy_written(const Contraction& c, BufferId from, const std::string& origin) {
    std::vector<VarId> vars;
    ir::Shape shape;
    for (const ir::ContractionAxis& axis : c.axes) {
      if (axis.role == AxisRole::kK || axis.role == AxisRole::kWindow) continue;
      vars.push_back(axis.var);
      shape.push_back(axis.extent);
    }
    Expr value = ir::load(from, program_.buffer(from).dtype, c.out_index);
    ir::Block body = {ir::store(c.out, c.out_index, std::move(value))};
    return ir::Step{ir::KernelStep{
        ir::Kernel{"reorder", origin, ir::LoopNest{ir::nest(vars, shape, shape.size(), std::move(body))}}}};
  }

  ir::Program& program_;
  std::vector<ir::Step>& steps_;
  size_t at_ = 0;
  std::map<std::pair<BufferId, int>, BufferId> inputs_;  // copies by buffer and innermost axis
  std::optional<Result> result_;
};

class LayoutSolver {
 public:
  explicit LayoutSolver(ir::Program& program) : program_(program) {
    for (size_t i = 0; i < program.buffers.size(); ++i) {
      const auto id = static_cast<BufferId>(i);
      views_[ir::root_of(program, id)].push_back(id);
    }
    ir::for_each_step(program.main, [&](ir::Step& step) {
      if (auto* kernel = std::get_if<ir::KernelStep>(&step.node)) note_kernel(kernel->kernel);
      if (auto* branch = std::get_if<ir::IfStep>(&step.node))
        fixed_.insert(ir::root_of(program_, branch->condition));
      if (auto* bind = std::get_if<ir::BindStep>(&step.node))
        fixed_.insert(ir::root_of(program_, bind->buffer));
      if (auto* loop = std::get_if<ir::WhileStep>(&step.node))
        fixed_.insert(ir::root_of(program_, loop->condition));
    });
  }

  void run() {
    for (Contraction* c : contractions_) {
      if (!is_convolution(*c)) continue;
      if (std::optional<Axes> axes = wish(c->a.buffer, c->a.index, summed_axis(*c)))
        assign(c->a.buffer, *axes);
      if (std::optional<Axes> axes = wish(c->out, c->out_index, n_axis(*c))) assign(c->out, *axes);
    }
    while (spread()) {
    }
    ir::for_each_region(program_.main, [this](ir::Region& region) { RegionCopies(program_, region).run(); });
  }

 private:
  void note_kernel(ir::Kernel& kernel) {
    if (auto* c = std::get_if<Contraction>(&kernel.body)) contractions_.push_back(c);
    if (auto* nest = std::get_if<ir::LoopNest>(&kernel.body)) nests_.push_back(nest);
    if (auto* call = std::get_if<ir::Call>(&kernel.body)) {
      for (BufferId id : call->inputs) {
        if (id != BufferId::kNone) fixed_.insert(ir::root_of(program_, id));
      }
      for (BufferId id : call->outputs) {
        if (id != BufferId::kNone) fixed_.insert(ir::root_of(program_, id));
      }
    }
  }

  // The axes of the buffer's root that should be innermost.
  std::optional<Axes> wish(BufferId id, const std::vector<Expr>& index, std::optional<VarId> v) {
    if (!v) return std::nullopt;
    std::optional<int> axis = axis_of(index, *v);
    if (!axis) return std::nullopt;
    return to_root(program_, id, {*axis});
  }

  bool may_reorder(BufferId root) const {
    const Buffer& buffer = program_.buffer(root);
    return buffer.kind == BufferKind::kTemp && !fixed_.contains(root) && buffer.shape.size() >= 3;
  }

  // Gives the root of `id` an order if nothing speaks against it.
  bool assign(BufferId id, const Axes& innermost) {
    const BufferId root = ir::root_of(program_, id);
    if (!may_reorder(root) || assigned_.contains(root)) return false;
    Buffer& buffer = program_.buffer(root);
    Axes order = order_with_innermost(buffer.shape.size(), innermost);
    assigned_.insert(root);
    if (is_row_major(order)) return true;
    buffer.order = order;
    for (BufferId view : views_[root]) {
      if (ir::strides_of(program_, view)) continue;
      buffer.order.clear();
      fixed_.insert(root);
      return false;
    }
    return true;
  }

  // The axes, of the root behind an access, that lie innermost behind the root of another.
  static Axes innermost_like(const Buffer& root) {
    Axes tail;
    if (root.order.empty()) return tail;
    // The moved axes: the shortest tail after which the rest is in order.
    for (size_t keep = root.order.size(); keep-- > 0;) {
      Axes head(root.order.begin(), root.order.begin() + static_cast<std::ptrdiff_t>(keep));
      if (is_row_major(head))
        return Axes(root.order.begin() + static_cast<std::ptrdiff_t>(keep), root.order.end());
    }
    return tail;
  }

  // One kernel that connects an ordered buffer with a free one of the same rank and loop variables hands on
  // the order.
  bool spread() {
    bool changed = false;
    for (ir::LoopNest* nest : nests_) {
      std::vector<Access> all = accesses(nest->body);
      for (const Access& from : all) {
        const BufferId source = ir::root_of(program_, from.buffer);
        if (program_.buffer(source).order.empty()) continue;
        std::optional<VarId> inner = innermost_var(from);
        if (!inner) continue;
        for (const Access& to : all) changed |= hand_on(to, *inner);
      }
    }
    for (Contraction* c : contractions_) {
      // The epilogue's operands follow the output.
      const BufferId out = ir::root_of(program_, c->out);
      if (program_.buffer(out).order.empty() || !c->epilogue) continue;
      std::optional<VarId> inner = innermost_var(Access{c->out, &c->out_index, true, {}});
      if (!inner) continue;
      ir::visit(c->epilogue, [&](const ir::ExprNode& node) {
        if (node.op == ir::ExprOp::kLoad)
          changed |= hand_on(Access{node.buffer, &node.args, false, {}}, *inner);
      });
    }
    return changed;
  }

  std::optional<VarId> innermost_var(const Access& access) {
    std::optional<VarId> found;
    for (size_t i = 0; i < access.index->size(); ++i) {
      ir::visit((*access.index)[i], [&](const ir::ExprNode& node) {
        if (node.op != ir::ExprOp::kVar || found) return;
        std::optional<ir::Dim> stride = stride_along(program_, access, node.var);
        if (stride && *stride == ir::Dim(1)) found = node.var;
      });
    }
    return found;
  }

  bool hand_on(const Access& to, VarId inner) {
    const BufferId root = ir::root_of(program_, to.buffer);
    if (!may_reorder(root) || assigned_.contains(root)) return false;
    std::optional<int> axis = axis_of(*to.index, inner);
    if (!axis) return false;
    std::optional<Axes> axes = to_root(program_, to.buffer, {*axis});
    return axes && assign(to.buffer, *axes);
  }

  ir::Program& program_;
  std::map<BufferId, std::vector<BufferId>> views_;  // of each root, itself included
  std::vector<Contraction*> contractions_;
  std::vector<ir::LoopNest*> nests_;
  std::set<BufferId> fixed_;     // must stay row-major
  std::set<BufferId> assigned_;  // order is decided
};

}  // namespace

void choose_layouts(ir::Program& program, const Options& options) {
  if (options.reference) return;
  LayoutSolver(program).run();
}

}  // namespace dlc::passes
