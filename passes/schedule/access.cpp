#include "passes/schedule/access.h"

#include <algorithm>

#include "ir/kernel/lower.h"

namespace dlc::passes {

using ir::Block;
using ir::Dim;
using ir::Expr;
using ir::ExprNode;
using ir::ExprOp;
using ir::VarId;

namespace {

// Calls f for every expression of a statement that is evaluated as a value, and for the indices of its store.
void for_each_expr(
    const Block& block, std::vector<VarId>& loops,
    const std::function<void(const Expr&, const std::vector<VarId>&)>& value,
    const std::function<void(ir::BufferId, const std::vector<Expr>&, const std::vector<VarId>&)>& store) {
  for (const ir::Stmt& stmt : block) {
    if (auto* loop = std::get_if<ir::For>(&stmt.node)) {
      value(loop->begin, loops);
      value(loop->end, loops);
      loops.push_back(loop->var);
      for_each_expr(loop->body, loops, value, store);
      loops.pop_back();
    } else if (auto* conditional = std::get_if<ir::If>(&stmt.node)) {
      value(conditional->condition, loops);
      for_each_expr(conditional->then_body, loops, value, store);
    } else if (auto* s = std::get_if<ir::Store>(&stmt.node)) {
      value(s->value, loops);
      store(s->buffer, s->index, loops);
    } else if (auto* s = std::get_if<ir::Scatter>(&stmt.node)) {
      value(s->value, loops);
      store(s->buffer, s->index, loops);
    } else if (auto* let = std::get_if<ir::Let>(&stmt.node)) {
      value(let->value, loops);
    } else if (auto* assign = std::get_if<ir::Assign>(&stmt.node)) {
      value(assign->value, loops);
    } else if (auto* reduce = std::get_if<ir::Reduce>(&stmt.node)) {
      value(reduce->value, loops);
    }
  }
}

// v occurs in e outside of the indices of loads.
bool used_as_value(const Expr& e, VarId v) {
  if (e->op == ExprOp::kVar) return e->var == v;
  for (const Expr& arg : e->args) {
    if (e->op == ExprOp::kLoad ? !ir::affine_in(arg, v).has_value() : used_as_value(arg, v)) return true;
  }
  return false;
}

}  // namespace

std::vector<Access> accesses(const Block& block) {
  std::vector<Access> out;
  std::vector<VarId> loops;
  for_each_expr(
      block, loops,
      [&](const Expr& e, const std::vector<VarId>& around) {
        ir::visit(e, [&](const ExprNode& node) {
          if (node.op == ExprOp::kLoad) out.push_back({node.buffer, &node.args, false, around});
        });
      },
      [&](ir::BufferId buffer, const std::vector<Expr>& index, const std::vector<VarId>& around) {
        out.push_back({buffer, &index, true, around});
        for (const Expr& e : index) {
          ir::visit(e, [&](const ExprNode& node) {
            if (node.op == ExprOp::kLoad) out.push_back({node.buffer, &node.args, false, around});
          });
        }
      });
  return out;
}

std::optional<Dim> stride_along(const ir::Program& program, const Access& access, VarId v) {
  std::optional<ir::Strides> strides = ir::strides_of(program, access.buffer);
  if (!strides) return std::nullopt;
  Dim total = 0;
  for (size_t i = 0; i < access.index->size(); ++i) {
    const Expr& e = (*access.index)[i];
    if (!ir::uses_var(e, v)) continue;
    std::optional<ir::Affine> affine = ir::affine_in(e, v);
    if (!affine) return std::nullopt;
    if (affine->coefficient->op == ExprOp::kInt) {
      total += Dim(affine->coefficient->integer) * strides->strides[i];
    } else if (affine->coefficient->op == ExprOp::kDim) {
      total += affine->coefficient->dim * strides->strides[i];
    } else {
      return std::nullopt;
    }
  }
  return total;
}

bool is_contiguous(const ir::Program& program, ir::BufferId buffer, const std::vector<Expr>& index, VarId v) {
  std::optional<Dim> stride = stride_along(program, Access{buffer, &index, false, {}}, v);
  return stride && *stride == Dim(1);
}

std::vector<size_t> uses_of(const std::vector<Expr>& index, VarId v) {
  std::vector<size_t> uses;
  for (size_t i = 0; i < index.size(); ++i) {
    if (ir::uses_var(index[i], v)) uses.push_back(i);
  }
  return uses;
}

bool only_addresses(const Block& block, VarId v) {
  bool ok = true;
  std::vector<VarId> loops;
  for_each_expr(
      block, loops, [&](const Expr& e, const std::vector<VarId>&) { ok = ok && !used_as_value(e, v); },
      [&](ir::BufferId, const std::vector<Expr>& index, const std::vector<VarId>&) {
        for (const Expr& e : index) ok = ok && ir::affine_in(e, v).has_value();
      });
  return ok;
}

std::optional<Dim> extent_of(const ir::For& loop) {
  if (loop.begin->op != ExprOp::kInt || loop.begin->integer != 0) return std::nullopt;
  if (loop.end->op == ExprOp::kInt) return Dim(loop.end->integer);
  if (loop.end->op == ExprOp::kDim) return loop.end->dim;
  return std::nullopt;
}

bool walk_as_one(const ir::Program& program, const Block& body, const ir::For& a, const ir::For& b) {
  if (!only_addresses(body, a.var) || !only_addresses(body, b.var)) return false;
  const Dim extent = *extent_of(b);
  const std::vector<Access> all = accesses(body);
  return std::all_of(all.begin(), all.end(), [&](const Access& access) {
    std::optional<Dim> outer = stride_along(program, access, a.var);
    std::optional<Dim> inner = stride_along(program, access, b.var);
    return outer && inner && *outer == *inner * extent;
  });
}

void make_one(const ir::For& a, ir::For& b, Block& body) {
  b.end = ir::dim(*extent_of(a) * *extent_of(b));
  ir::Kernel holder{"", "", ir::LoopNest{std::move(body)}};
  ir::rewrite_exprs(holder, [&](const Expr& e) {
    return ir::substitute(e, [&](VarId v) { return v == a.var ? ir::integer(0) : Expr(); });
  });
  body = std::move(std::get<ir::LoopNest>(holder.body).body);
}

}  // namespace dlc::passes
