#include "passes/schedule/order_sums.h"

#include <algorithm>
#include <optional>

#include "ir/kernel/lower.h"
#include "passes/schedule/access.h"

namespace dlc::passes {

using ir::Block;
using ir::Dim;
using ir::Expr;
using ir::ExprOp;
using ir::For;
using ir::VarId;

namespace {

// Accumulators are combined, and none is read.
bool only_combines(const Block& block) {
  std::vector<VarId> combined;
  for (const ir::Stmt& stmt : block) {
    if (std::holds_alternative<ir::Let>(stmt.node)) continue;
    const auto* reduce = std::get_if<ir::Reduce>(&stmt.node);
    if (reduce == nullptr) return false;
    combined.push_back(reduce->var);
  }
  bool reads = false;
  ir::visit_exprs(block, [&](const Expr& e) {
    for (VarId v : combined) reads = reads || ir::uses_var(e, v);
  });
  return !combined.empty() && !reads;
}

struct Chain {
  std::vector<For> loops;  // bodies empty
  Block body;
};

// The loop and those directly inside of each other in it, or nothing where they do more than combine.
std::optional<Chain> chain_of(const For& outer) {
  Chain chain;
  const For* loop = &outer;
  while (loop->kind == ir::LoopKind::kSerial && extent_of(*loop)) {
    For& added = chain.loops.emplace_back(*loop);
    added.body.clear();
    if (only_combines(loop->body)) {
      chain.body = loop->body;
      return chain.loops.size() > 1 ? std::optional(std::move(chain)) : std::nullopt;
    }
    if (loop->body.size() != 1) return std::nullopt;
    loop = std::get_if<For>(&loop->body[0].node);
    if (loop == nullptr) return std::nullopt;
  }
  return std::nullopt;
}

// How far apart a loop's iterations are; symbols count as an extent of a hundred.
double distance(const ir::Program& program, const std::vector<Access>& all, VarId v) {
  double sum = 0;
  for (const Access& access : all) {
    std::optional<Dim> stride = stride_along(program, access, v);
    if (!stride) return 1e18;
    for (const auto& term : stride->terms()) {
      double value = std::abs(static_cast<double>(term.coefficient));
      for (size_t i = 0; i < term.atoms.size(); ++i) value *= 100;
      sum += value;
    }
    if (stride->is_constant()) sum += std::abs(static_cast<double>(stride->value()));
  }
  return sum;
}

void merge(const ir::Program& program, Chain& chain) {
  for (size_t i = chain.loops.size(); i-- > 1;) {
    For& a = chain.loops[i - 1];
    For& b = chain.loops[i];
    if (!walk_as_one(program, chain.body, a, b)) continue;
    make_one(a, b, chain.body);
    chain.loops.erase(chain.loops.begin() + static_cast<std::ptrdiff_t>(i) - 1);
  }
}

For joined(Chain chain) {
  Block block = std::move(chain.body);
  for (size_t i = chain.loops.size(); i-- > 1;) {
    For loop = std::move(chain.loops[i]);
    loop.body = std::move(block);
    block.clear();
    block.push_back({std::move(loop)});
  }
  chain.loops[0].body = std::move(block);
  return std::move(chain.loops[0]);
}

}  // namespace

void order_sums(const ir::Program& program, Block& block) {
  for (ir::Stmt& stmt : block) {
    if (auto* branch = std::get_if<ir::If>(&stmt.node)) order_sums(program, branch->then_body);
    auto* loop = std::get_if<For>(&stmt.node);
    if (loop == nullptr) continue;
    std::optional<Chain> chain = chain_of(*loop);
    if (!chain) {
      order_sums(program, loop->body);
      continue;
    }
    const std::vector<Access> all = accesses(chain->body);
    std::stable_sort(chain->loops.begin(), chain->loops.end(), [&](const For& a, const For& b) {
      return distance(program, all, a.var) > distance(program, all, b.var);
    });
    merge(program, *chain);
    *loop = joined(std::move(*chain));
  }
}

}  // namespace dlc::passes
