#include "ir/kernel/kernel.h"

#include <algorithm>
#include <type_traits>

#include "runtime/error.h"

namespace dlc::ir {

TensorType storage_type(const Type& type) {
  if (!type.is_tensor()) return {DType::kInt64, {}};
  return {type.tensor.dtype == DType::kString ? DType::kInt64 : type.tensor.dtype, type.tensor.shape};
}

BufferId Program::add_buffer(Buffer buffer) {
  buffers.push_back(std::move(buffer));
  return static_cast<BufferId>(buffers.size() - 1);
}

BufferId root_of(const Program& program, BufferId id) {
  while (program.buffer(id).view) id = program.buffer(id).view->base;
  return id;
}

namespace {

template <class RegionT, class F>
void walk_steps(RegionT& region, const F& f) {
  for (auto& step : region.steps) {
    f(step);
    std::visit(
        [&](auto& node) {
          using T = std::decay_t<decltype(node)>;
          if constexpr (std::is_same_v<T, IfStep>) {
            walk_steps(node.then_region, f);
            walk_steps(node.else_region, f);
          } else if constexpr (std::is_same_v<T, RepeatStep> || std::is_same_v<T, WhileStep>) {
            walk_steps(node.body, f);
          }
        },
        step.node);
  }
}

template <class BlockT, class F>
void walk_stmts(BlockT& block, const F& f) {
  for (auto& stmt : block) {
    f(stmt);
    if (auto* loop = std::get_if<For>(&stmt.node)) walk_stmts(loop->body, f);
    if (auto* branch = std::get_if<If>(&stmt.node)) walk_stmts(branch->then_body, f);
  }
}

// Calls f on every expression of one statement, nested statements excluded; f
// may replace it.
template <class StmtT, class F>
void stmt_exprs(StmtT& stmt, const F& f) {
  std::visit(
      [&](auto& node) {
        using T = std::decay_t<decltype(node)>;
        if constexpr (std::is_same_v<T, For>) {
          f(node.begin);
          f(node.end);
        } else if constexpr (std::is_same_v<T, If>) {
          f(node.condition);
        } else {
          if constexpr (std::is_same_v<T, Store> || std::is_same_v<T, Scatter>) {
            for (auto& i : node.index) f(i);
          }
          f(node.value);
        }
      },
      stmt.node);
}

template <class OperandT, class F>
void operand_exprs(OperandT& operand, const F& f) {
  for (auto& i : operand.index) f(i);
  if (operand.zero_point) f(operand.zero_point);
}

template <class AttentionT, class F>
void attention_exprs(AttentionT& attention, const F& f) {
  for (auto* element : {&attention.q, &attention.k, &attention.v, &attention.out}) {
    for (auto& i : element->index) f(i);
  }
  f(attention.score);
  if (attention.first_key) f(attention.first_key);
  if (attention.last_key) f(attention.last_key);
  f(attention.epilogue);
}

template <class KernelT, class F>
void kernel_exprs(KernelT& kernel, const F& f) {
  if (auto* nest = std::get_if<LoopNest>(&kernel.body)) {
    walk_stmts(nest->body, [&](auto& stmt) { stmt_exprs(stmt, f); });
  } else if (auto* contraction = std::get_if<Contraction>(&kernel.body)) {
    operand_exprs(contraction->a, f);
    operand_exprs(contraction->b, f);
    for (auto& i : contraction->out_index) f(i);
    if (contraction->parts.term) f(contraction->parts.term);
    if (contraction->epilogue) f(contraction->epilogue);
  } else if (auto* attention = std::get_if<Attention>(&kernel.body)) {
    attention_exprs(*attention, f);
  } else {
    for (auto& p : std::get<Call>(kernel.body).params) f(p);
  }
}

auto replacing(const std::function<Expr(const Expr&)>& f) {
  return [&f](Expr& e) {
    if (Expr replaced = f(e)) e = replaced;
  };
}

void add_once(std::vector<BufferId>& ids, BufferId id) {
  if (id != BufferId::kNone && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
}

}  // namespace

std::vector<LoopAxis> axes_of(const Attention& attention) {
  std::vector<LoopAxis> axes = attention.batch;
  axes.insert(axes.end(), attention.rows.begin(), attention.rows.end());
  axes.insert(axes.end(), {attention.key, attention.depth, attention.column});
  return axes;
}

void for_each_step(Region& region, const std::function<void(Step&)>& f) { walk_steps(region, f); }
void for_each_step(const Region& region, const std::function<void(const Step&)>& f) { walk_steps(region, f); }
void for_each_region(Region& region, const std::function<void(Region&)>& f) {
  for (Step& step : region.steps) {
    if (auto* branch = std::get_if<IfStep>(&step.node)) {
      for_each_region(branch->then_region, f);
      for_each_region(branch->else_region, f);
    } else if (auto* repeat = std::get_if<RepeatStep>(&step.node)) {
      for_each_region(repeat->body, f);
    } else if (auto* loop = std::get_if<WhileStep>(&step.node)) {
      for_each_region(loop->body, f);
    }
  }
  f(region);
}
void for_each_stmt(Block& block, const std::function<void(Stmt&)>& f) { walk_stmts(block, f); }
void for_each_stmt(const Block& block, const std::function<void(const Stmt&)>& f) { walk_stmts(block, f); }

void rewrite_exprs(Kernel& kernel, const std::function<Expr(const Expr&)>& f) {
  kernel_exprs(kernel, replacing(f));
}
void visit_exprs(const Kernel& kernel, const std::function<void(const Expr&)>& f) { kernel_exprs(kernel, f); }

void rewrite_exprs(Block& block, const std::function<Expr(const Expr&)>& f) {
  walk_stmts(block, [&](Stmt& stmt) { stmt_exprs(stmt, replacing(f)); });
}
void visit_exprs(const Block& block, const std::function<void(const Expr&)>& f) {
  walk_stmts(block, [&](const Stmt& stmt) { stmt_exprs(stmt, f); });
}

std::vector<BufferId> reads(const Kernel& kernel) {
  std::vector<BufferId> result;
  if (const auto* contraction = std::get_if<Contraction>(&kernel.body)) {
    add_once(result, contraction->a.buffer);
    add_once(result, contraction->b.buffer);
  } else if (const auto* attention = std::get_if<Attention>(&kernel.body)) {
    for (const Element* element : {&attention->q, &attention->k, &attention->v}) {
      add_once(result, element->buffer);
    }
  } else if (const auto* call = std::get_if<Call>(&kernel.body)) {
    for (BufferId id : call->inputs) add_once(result, id);
  }
  visit_exprs(kernel, [&](const Expr& e) {
    visit(e, [&](const ExprNode& node) {
      if (node.op == ExprOp::kLoad) add_once(result, node.buffer);
    });
  });
  if (const auto* nest = std::get_if<LoopNest>(&kernel.body)) {
    for_each_stmt(nest->body, [&](const Stmt& stmt) {
      if (const auto* scatter = std::get_if<Scatter>(&stmt.node)) add_once(result, scatter->buffer);
    });
  }
  return result;
}

std::vector<BufferId> writes(const Kernel& kernel) {
  std::vector<BufferId> result;
  if (const auto* contraction = std::get_if<Contraction>(&kernel.body)) {
    add_once(result, contraction->out);
  } else if (const auto* attention = std::get_if<Attention>(&kernel.body)) {
    add_once(result, attention->out.buffer);
  } else if (const auto* call = std::get_if<Call>(&kernel.body)) {
    for (BufferId id : call->outputs) add_once(result, id);
  } else {
    for_each_stmt(std::get<LoopNest>(kernel.body).body, [&](const Stmt& stmt) {
      if (const auto* store = std::get_if<Store>(&stmt.node)) add_once(result, store->buffer);
      if (const auto* scatter = std::get_if<Scatter>(&stmt.node)) add_once(result, scatter->buffer);
    });
  }
  return result;
}

}  // namespace dlc::ir
