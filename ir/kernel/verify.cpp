#include "ir/kernel/verify.h"

#include <algorithm>

#include "ir/kernel/expand_contraction.h"
#include "ir/kernel/print.h"
#include "ir/kernel/verify_attention.h"
#include "ir/kernel/verify_expr.h"
#include "runtime/error.h"

namespace dlc::ir {

namespace {

template <class... Args>
[[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) {
  fail(ErrorKind::kInternal, format, std::forward<Args>(args)...);
}

bool surely_differ(const Dim& a, const Dim& b) { return a.is_constant() && b.is_constant() && a != b; }

bool is_permutation_of(const std::vector<int>& order, size_t rank) {
  std::vector<int> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != static_cast<int>(i)) return false;
  }
  return sorted.size() == rank;
}

// ---- Buffers ----

void verify_extents(const View& view, const Shape& shape, const Shape& base) {
  const size_t rank = shape.size();
  switch (view.kind) {
    case ViewKind::kReshape:
      if (surely_differ(product(shape), product(base))) wrong("a reshape changes the number of elements");
      return;
    case ViewKind::kPermute:
      if (!is_permutation_of(view.perm, base.size()) || rank != base.size())
        wrong("its axes are no permutation");
      for (size_t i = 0; i < rank; ++i) {
        if (surely_differ(shape[i], base[static_cast<size_t>(view.perm[i])]))
          wrong("axis {} has another extent", i);
      }
      return;
    case ViewKind::kSlice:
      if (rank != base.size() || view.start.size() != rank || view.step.size() != rank) wrong("ranks differ");
      for (size_t i = 0; i < rank; ++i) {
        const Dim last = view.start[i] + (shape[i] - 1) * view.step[i];
        if (view.step[i].is_constant() && view.step[i].value() <= 0) wrong("axis {} has no positive step", i);
        const bool known =
            shape[i].is_constant() && shape[i].value() > 0 && last.is_constant() && base[i].is_constant();
        if (known && (last.value() >= base[i].value() || view.start[i].value() < 0))
          wrong("axis {} leaves its base", i);
      }
      return;
    case ViewKind::kExpand:
      if (rank < base.size()) wrong("an expansion has fewer axes than its base");
      for (size_t i = 0; i < base.size(); ++i) {
        const Dim& extent = shape[rank - base.size() + i];
        if (base[i] != Dim(1) && surely_differ(extent, base[i]))
          wrong("axis {} is repeated but not of extent 1", i);
      }
      return;
  }
}

void verify_view(const Program& program, BufferId id) {
  const Buffer& buffer = program.buffer(id);
  BufferId root = id;
  for (size_t steps = 0; program.buffer(root).view; ++steps) {
    root = program.buffer(root).view->base;
    if (static_cast<int64_t>(root) < 0 || static_cast<size_t>(root) >= program.buffers.size())
      wrong("it has no base");
    if (steps > program.buffers.size()) wrong("it is a view of itself");
  }
  const Buffer& base = program.buffer(buffer.view->base);
  if (base.dtype != buffer.dtype) wrong("its type is not that of its base");
  if (buffer.kind != BufferKind::kTemp) wrong("a view has no kind of its own");
  verify_extents(*buffer.view, buffer.shape, base.shape);
  if (buffer.view->kind == ViewKind::kReshape && strides_of(program, buffer.view->base) &&
      !strides_of(program, id)) {
    wrong("its base is not stored as a reshape needs it");
  }
}

void verify_buffer(const Program& program, BufferId id) {
  const Buffer& buffer = program.buffer(id);
  if (buffer.view) return verify_view(program, id);
  if (!buffer.order.empty() && !is_permutation_of(buffer.order, buffer.shape.size()))
    wrong("its order is no permutation");
  const bool border = buffer.kind == BufferKind::kInput || buffer.kind == BufferKind::kOutput;
  if (border && (!buffer.order.empty() || buffer.border_index < 0))
    wrong("it is not row-major at a place of the border");
  if (buffer.kind != BufferKind::kConstant) return;
  const Tensor& tensor = buffer.constant;
  if (!tensor.defined() || tensor.dtype() != buffer.dtype) wrong("its tensor is missing or of another type");
  if (!is_static(buffer.shape) || static_shape(buffer.shape) != tensor.shape())
    wrong("its tensor has another shape");
}

// ---- Contractions ----

bool may_appear(AxisRole role, bool in_a, bool in_b, bool in_out) {
  switch (role) {
    case AxisRole::kBatch:
      return true;
    case AxisRole::kM:
      return !in_b;
    case AxisRole::kN:
      return !in_a;
    case AxisRole::kK:
    case AxisRole::kWindow:
      return !in_out;
  }
  return in_a;
}

// A packed operand is indexed by panel and column.
void verify_place(const Contraction& contraction, const std::vector<Expr>& index, std::string_view place,
                  bool packed = false) {
  const bool a = place == "a", b = place == "b", out = !a && !b;
  for (const ContractionAxis& axis : contraction.axes) {
    for (const Expr& i : index) {
      if (!uses_var(i, axis.var)) continue;
      if (!may_appear(axis.role, a, b, out))
        wrong("axis {} appears in {}, which its role forbids", var_text(axis.var), place);
      if (!packed && !affine_in(i, axis.var))
        wrong("{} is not affine in {}", to_string(i), var_text(axis.var));
    }
  }
}

void verify_operand(const Operand& operand, const Contraction& contraction, std::string_view place,
                    ExprVerifier& exprs) {
  exprs.index(operand.buffer, operand.index, operand.padded);
  verify_place(contraction, operand.index, place, place == "b" && contraction.schedule.b_packed);
  if (!operand.zero_point) return;
  exprs.expression(operand.zero_point, false);
  if (!is_integer(operand.zero_point.type())) wrong("a zero point of {} is no integer", place);
}

void verify_parts(const Contraction& contraction, ExprVerifier& exprs) {
  const PartialSums& parts = contraction.parts;
  bool found = false;
  for (const ContractionAxis& axis : contraction.axes) {
    if (axis.var == parts.axis) {
      if (axis.role != AxisRole::kK) wrong("parts along {}, which is no axis k", var_text(axis.var));
      found = true;
    } else if (is_summed(axis.role) && uses_var(parts.term, axis.var)) {
      wrong("the term of a part uses {}, which is summed", var_text(axis.var));
    }
  }
  if (!found) wrong("parts along {}, which is no axis", var_text(parts.axis));
  exprs.declare(parts.sum, parts.type);
  exprs.expression(parts.term, false);
  exprs.forget(parts.sum);
  if (parts.term.type() != contraction.accumulator_type) {
    wrong("the term of a part: expected {}, found {}", dlc::name(contraction.accumulator_type),
          dlc::name(parts.term.type()));
  }
}

void verify_contraction(const Contraction& contraction, const Program& program, ExprVerifier& exprs) {
  for (const ContractionAxis& axis : contraction.axes) {
    exprs.declare(axis.var, DType::kInt64);
    exprs.dim(axis.extent);
    exprs.ranges()[axis.var] = {Dim(0), axis.extent - 1};
  }
  verify_operand(contraction.a, contraction, "a", exprs);
  verify_operand(contraction.b, contraction, "b", exprs);
  if (contraction.has_parts()) verify_parts(contraction, exprs);
  exprs.index(contraction.out, contraction.out_index, false);
  verify_place(contraction, contraction.out_index, "the output");
  for (const ContractionAxis& axis : contraction.axes) {
    const bool used = std::any_of(contraction.out_index.begin(), contraction.out_index.end(),
                                  [&](const Expr& i) { return uses_var(i, axis.var); });
    if (!is_summed(axis.role) && axis.extent != Dim(1) && !used) {
      wrong("axis {} is neither summed nor in the output", var_text(axis.var));
    }
    if (is_summed(axis.role)) exprs.forget(axis.var);  // not for the epilogue
  }
  exprs.declare(contraction.accumulator, contraction.accumulator_type);
  if (contraction.schedule.row_sum != VarId::kNone)
    exprs.declare(contraction.schedule.row_sum, contraction.accumulator_type);
  if (!contraction.epilogue) return;
  exprs.expression(contraction.epilogue, false);
  const DType expected = program.buffer(contraction.out).dtype;
  if (contraction.epilogue.type() != expected) {
    wrong("the epilogue: expected {}, found {}", dlc::name(expected), dlc::name(contraction.epilogue.type()));
  }
}

// ---- Steps ----

class ProgramVerifier {
 public:
  explicit ProgramVerifier(const Program& program) : program_(program) {}

  void run() {
    for (size_t i = 0; i < program_.buffers.size(); ++i) {
      const BufferId id = static_cast<BufferId>(i);
      try {
        verify_buffer(program_, id);
      } catch (Error& error) {
        error.add_context(fmt::format("buffer {} '{}'", buffer_text(id), program_.buffer(id).name));
        throw;
      }
      const BufferKind kind = program_.buffer(id).kind;
      if (kind == BufferKind::kInput) {
        for (const Dim& extent : program_.buffer(id).shape) extent.collect_symbols(symbols_);
      }
      if (kind != BufferKind::kTemp && kind != BufferKind::kOutput) defined_.insert(id);
    }
    for (const auto& [name, info] : program_.symbols) {
      if (info.from_input) symbols_.insert(name);
    }
    region(program_.main);
  }

 private:
  void region(const Region& region) {
    for (const Step& s : region.steps) step(s);
  }

  void read(BufferId id) {
    if (!defined_.contains(root_of(program_, id))) {
      wrong("buffer {} '{}' is read before it is written", buffer_text(id), program_.buffer(id).name);
    }
  }

  void write(BufferId id) {
    const BufferId root = root_of(program_, id);
    const BufferKind kind = program_.buffer(root).kind;
    if (kind == BufferKind::kInput || kind == BufferKind::kConstant) {
      wrong("buffer {} '{}' is read-only", buffer_text(id), program_.buffer(id).name);
    }
    defined_.insert(root);
  }

  void kernel(const Kernel& kernel) {
    ExprVerifier exprs(program_, symbols_);
    const std::vector<BufferId> written = writes(kernel);
    if (const auto* call = std::get_if<Call>(&kernel.body)) {
      for (BufferId id : reads(kernel)) exprs.buffer(id);
      for (const Expr& param : call->params) exprs.expression(param, false);
      for (const Call::Binding& binding : call->bindings) {
        if (binding.output >= call->outputs.size()) wrong("a binding of output {}", binding.output);
        symbols_.insert(binding.symbol);
      }
      for (BufferId id : written) exprs.buffer(id);
    } else if (const auto* contraction = std::get_if<Contraction>(&kernel.body)) {
      verify_contraction(*contraction, program_, exprs);
    } else if (const auto* attention = std::get_if<Attention>(&kernel.body)) {
      verify_attention(*attention, program_, exprs);
    } else {
      exprs.block(std::get<LoopNest>(kernel.body).body, LoopKind::kParallel, false);
    }
    for (BufferId id : reads(kernel)) {
      // A kernel may read what an earlier statement of its own has written.
      const bool own = std::any_of(written.begin(), written.end(),
                                   [&](BufferId w) { return root_of(program_, w) == root_of(program_, id); });
      if (!own || !std::holds_alternative<LoopNest>(kernel.body)) read(id);
    }
    for (BufferId id : written) write(id);
  }

  void step(const Step& step);

  const Program& program_;
  std::set<std::string> symbols_;
  std::set<BufferId> defined_;  // roots
};

void ProgramVerifier::step(const Step& step) {
  const ExprVerifier exprs(program_, symbols_);
  if (const auto* k = std::get_if<KernelStep>(&step.node)) {
    try {
      kernel(k->kernel);
    } catch (Error& error) {
      error.add_context(fmt::format("kernel '{}' of {}", k->kernel.name, k->kernel.origin));
      throw;
    }
  } else if (const auto* bind = std::get_if<BindStep>(&step.node)) {
    ExprVerifier(program_, symbols_).index(bind->buffer, bind->index, false);
    if (!is_integer(program_.buffer(bind->buffer).dtype))
      wrong("symbol {} is bound to no integer", bind->symbol);
    read(bind->buffer);
    symbols_.insert(bind->symbol);
  } else if (const auto* set = std::get_if<SetStep>(&step.node)) {
    exprs.dim(set->value);
    symbols_.insert(set->symbol);
  } else if (const auto* branch = std::get_if<IfStep>(&step.node)) {
    read(branch->condition);
    region(branch->then_region);
    region(branch->else_region);
  } else if (const auto* repeat = std::get_if<RepeatStep>(&step.node)) {
    exprs.dim(repeat->count);
    symbols_.insert(repeat->symbol);
    region(repeat->body);
  } else if (const auto* loop = std::get_if<WhileStep>(&step.node)) {
    read(loop->condition);
    if (loop->trip) exprs.dim(*loop->trip);
    symbols_.insert(loop->counter);
    region(loop->body);
  } else if (const auto* test = std::get_if<CheckStep>(&step.node)) {
    exprs.dim(test->lhs);
    exprs.dim(test->rhs);
  }
}

}  // namespace

void verify(const Program& program) { ProgramVerifier(program).run(); }

}  // namespace dlc::ir
