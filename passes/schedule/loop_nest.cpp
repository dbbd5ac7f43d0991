#include "passes/schedule/loop_nest.h"

#include <fmt/format.h>

#include <algorithm>

#include "passes/schedule/access.h"
#include "passes/schedule/long_sums.h"
#include "passes/schedule/order_sums.h"

namespace dlc::passes {

using ir::Block;
using ir::Dim;
using ir::Expr;
using ir::ExprOp;
using ir::For;
using ir::LoopKind;
using ir::VarId;

namespace {

constexpr int64_t kEnoughTasks = 16;
constexpr int64_t kChunk = 8192;  // elements of one task of a flat vector loop
constexpr int kContiguousCost = 1;
constexpr int kStridedCost = 8;
constexpr int64_t kCacheLine = 64;
constexpr int64_t kShortLoop = 8;  // a vector loop with fewer iterations does not pay

// The loops whose iterations are independent, with the block inside of them.
struct Nest {
  std::vector<For> loops;  // bodies empty
  Block body;
};

bool only_stores(const Block& block) {
  return std::all_of(block.begin(), block.end(), [](const ir::Stmt& s) {
    return std::holds_alternative<ir::Store>(s.node) || std::holds_alternative<ir::Let>(s.node);
  });
}

Nest split_nest(Block block) {
  Nest nest;
  while (block.size() == 1 && std::holds_alternative<For>(block[0].node)) {
    For& loop = std::get<For>(block[0].node);
    const bool independent = loop.kind == LoopKind::kParallel || only_stores(loop.body);
    if (!independent || !extent_of(loop)) break;
    Block inner = std::move(loop.body);
    loop.body.clear();
    nest.loops.push_back(std::move(loop));
    block = std::move(inner);
  }
  nest.body = std::move(block);
  return nest;
}

Block join_nest(Nest nest) {
  Block block = std::move(nest.body);
  for (size_t i = nest.loops.size(); i-- > 0;) {
    For loop = std::move(nest.loops[i]);
    loop.body = std::move(block);
    block.clear();
    block.push_back({std::move(loop)});
  }
  return block;
}

int cost_along(const ir::Program& program, const std::vector<Access>& all, VarId v) {
  int cost = 0;
  for (const Access& access : all) {
    std::optional<Dim> stride = stride_along(program, access, v);
    const bool cheap = stride && (*stride == Dim(0) || *stride == Dim(1));
    // Accesses inside of inner loops run more often.
    const int weight = 1 + 4 * static_cast<int>(access.loops.size());
    cost += weight * (cheap ? kContiguousCost : kStridedCost);
  }
  return cost;
}

void inner_loops(Block& block, std::vector<For*>& out) {
  for (ir::Stmt& stmt : block) {
    if (auto* loop = std::get_if<For>(&stmt.node)) {
      const size_t before = out.size();
      inner_loops(loop->body, out);
      if (out.size() == before) out.push_back(loop);  // innermost only
    }
    if (auto* conditional = std::get_if<ir::If>(&stmt.node)) inner_loops(conditional->then_body, out);
  }
}

bool has_scatter_or_assign(const Block& block) {
  for (const ir::Stmt& stmt : block) {
    if (std::holds_alternative<ir::Scatter>(stmt.node) || std::holds_alternative<ir::Assign>(stmt.node))
      return true;
    if (auto* loop = std::get_if<For>(&stmt.node); loop && has_scatter_or_assign(loop->body)) return true;
    if (auto* branch = std::get_if<ir::If>(&stmt.node); branch && has_scatter_or_assign(branch->then_body))
      return true;
  }
  return false;
}

// Whether an iteration reads what an earlier one has combined: a running sum.
bool reads_own_reduction(const For& loop) {
  std::vector<VarId> combined;
  ir::for_each_stmt(loop.body, [&](const ir::Stmt& stmt) {
    if (auto* reduce = std::get_if<ir::Reduce>(&stmt.node)) combined.push_back(reduce->var);
  });
  bool found = false;
  ir::visit_exprs(loop.body, [&](const Expr& e) {
    for (VarId v : combined) found = found || ir::uses_var(e, v);
  });
  return found;
}

// Whether an inner loop has other bounds in every iteration, so that the iterations cannot be lanes.
bool moves_inner_bounds(const Block& body, VarId v) {
  bool found = false;
  ir::for_each_stmt(body, [&](const ir::Stmt& stmt) {
    auto* loop = std::get_if<For>(&stmt.node);
    if (loop != nullptr) found = found || ir::uses_var(loop->begin, v) || ir::uses_var(loop->end, v);
  });
  return found;
}

bool is_short(const For& loop) {
  std::optional<Dim> extent = extent_of(loop);
  return extent && extent->is_constant() && extent->value() < kShortLoop;
}

// Every store of an independent loop must have an address of its own per iteration.
bool stores_are_injective(const ir::Program& program, const std::vector<Access>& all, VarId v) {
  return std::all_of(all.begin(), all.end(), [&](const Access& access) {
    if (!access.is_store) return true;
    std::optional<Dim> stride = stride_along(program, access, v);
    return !stride || *stride != Dim(0);
  });
}

void order_by_store(const ir::Program& program, Nest& nest, const std::vector<Access>& all) {
  auto store = std::find_if(all.begin(), all.end(), [](const Access& a) { return a.is_store; });
  if (store == all.end()) return;
  // Strides compare only where both are constants or one divides the other; equal keys keep their order.
  auto rank = [&](const For& loop) -> double {
    std::optional<Dim> stride = stride_along(program, *store, loop.var);
    if (!stride) return 1e18;
    double value = 1;
    if (stride->is_constant()) return static_cast<double>(stride->value());
    for (const auto& term : stride->terms()) {
      // A symbol counts as an extent of a hundred.
      value = static_cast<double>(term.coefficient);
      for (size_t i = 0; i < term.atoms.size(); ++i) value *= 100;
    }
    return value;
  };
  std::stable_sort(nest.loops.begin(), nest.loops.end(),
                   [&](const For& a, const For& b) { return rank(a) > rank(b); });
}

bool inner_loop_pays(const ir::Program& program, Nest& nest, const std::vector<Access>& all,
                     std::vector<For*>& loops, const For* outer) {
  inner_loops(nest.body, loops);
  std::erase_if(loops, [](const For* loop) { return reads_own_reduction(*loop); });
  if (loops.empty()) return false;
  if (!outer) return true;
  int inner_cost = 0;
  bool all_short = true;
  for (const For* loop : loops) {
    std::vector<Access> inside;
    for (const Access& access : all) {
      if (std::find(access.loops.begin(), access.loops.end(), loop->var) != access.loops.end())
        inside.push_back(access);
    }
    inner_cost += cost_along(program, inside, loop->var);
    all_short &= is_short(*loop);
  }
  return !all_short && inner_cost < cost_along(program, all, outer->var);
}

// Loops of which blocks can be transposed in registers: all stores are contiguous along one, and some load
// that strides along it is contiguous along the other.
struct Transposition {
  size_t across;
  size_t along;
};

bool is_strided(const ir::Program& program, const Access& access, VarId v) {
  std::optional<Dim> stride = stride_along(program, access, v);
  return stride && *stride != Dim(0) && *stride != Dim(1);
}

std::optional<Transposition> find_transposition(const ir::Program& program, const Nest& nest,
                                                const std::vector<Access>& all) {
  if (!only_stores(nest.body)) return std::nullopt;
  auto moves_by_one = [&](const Access& access, const For& loop) {
    return stride_along(program, access, loop.var) == Dim(1);
  };
  for (size_t along = nest.loops.size(); along-- > 0;) {
    const For& inner = nest.loops[along];
    const bool stores_runs = std::all_of(all.begin(), all.end(), [&](const Access& access) {
      return !access.is_store || moves_by_one(access, inner);
    });
    if (!stores_runs || is_short(inner)) continue;
    for (size_t across = nest.loops.size(); across-- > 0;) {
      const For& outer = nest.loops[across];
      const bool loads_runs = std::any_of(all.begin(), all.end(), [&](const Access& access) {
        return !access.is_store && moves_by_one(access, outer) && is_strided(program, access, inner.var);
      });
      if (across != along && loads_runs && !is_short(outer)) return Transposition{across, along};
    }
  }
  return std::nullopt;
}

void vectorize(Nest& nest, size_t loop) {
  For vector = std::move(nest.loops[loop]);
  nest.loops.erase(nest.loops.begin() + static_cast<std::ptrdiff_t>(loop));
  vector.kind = LoopKind::kVector;
  nest.loops.push_back(std::move(vector));
}

// A short loop whose stores fill the gaps between those of a long one, along which loads are contiguous.
std::optional<Transposition> find_interleaving(const ir::Program& program, const Nest& nest,
                                               const std::vector<Access>& all) {
  if (nest.body.size() != 1 || !std::holds_alternative<ir::Store>(nest.body[0].node)) return std::nullopt;
  auto moves_by = [&](const Access& access, const For& loop, const Dim& stride) {
    return stride_along(program, access, loop.var) == stride;
  };
  for (size_t along = 0; along < nest.loops.size(); ++along) {
    const For& inner = nest.loops[along];
    if (!is_short(inner) || *extent_of(inner) == Dim(1)) continue;
    for (size_t across = 0; across < nest.loops.size(); ++across) {
      const For& outer = nest.loops[across];
      if (across == along || is_short(outer)) continue;
      bool fills = true, loads_runs = false;
      for (const Access& access : all) {
        if (access.is_store)
          fills = fills && moves_by(access, inner, 1) && moves_by(access, outer, *extent_of(inner));
        else
          loads_runs = loads_runs || moves_by(access, outer, 1);
      }
      if (fills && loads_runs) return Transposition{across, along};
    }
  }
  return std::nullopt;
}

// The long loop runs in lanes, around the short one.
void interleave(Nest& nest, const Transposition& loops) {
  For inner = std::move(nest.loops[loops.along]);
  const VarId outer = nest.loops[loops.across].var;
  nest.loops.erase(nest.loops.begin() + static_cast<std::ptrdiff_t>(loops.along));
  inner.kind = LoopKind::kSerial;
  inner.body = std::move(nest.body);
  nest.body.clear();
  nest.body.push_back({std::move(inner)});
  for (size_t i = 0; i < nest.loops.size(); ++i) {
    if (nest.loops[i].var == outer) return vectorize(nest, i);
  }
}

void choose_vector_loop(const ir::Program& program, Nest& nest, const std::vector<Access>& all) {
  if (std::optional<Transposition> both = find_interleaving(program, nest, all))
    return interleave(nest, *both);
  if (std::optional<Transposition> both = find_transposition(program, nest, all)) {
    vectorize(nest, both->along);
    return;
  }
  For* outer = nullptr;
  int best = 0;
  for (For& loop : nest.loops) {
    if (!stores_are_injective(program, all, loop.var) || moves_inner_bounds(nest.body, loop.var)) continue;
    const int cost = cost_along(program, all, loop.var) + (is_short(loop) ? 1000 : 0);
    if (!outer || cost <= best) {
      outer = &loop;
      best = cost;
    }
  }
  std::vector<For*> inner;
  if (inner_loop_pays(program, nest, all, inner, outer)) {
    for (For* loop : inner) {
      std::vector<Access> inside;
      for (const Access& access : all) {
        if (std::find(access.loops.begin(), access.loops.end(), loop->var) != access.loops.end())
          inside.push_back(access);
      }
      if (!is_short(*loop) && stores_are_injective(program, inside, loop->var))
        loop->kind = LoopKind::kVector;
    }
    return;
  }
  if (outer) vectorize(nest, static_cast<size_t>(outer - nest.loops.data()));
}

void collapse(const ir::Program& program, Nest& nest) {
  for (size_t i = nest.loops.size(); i-- > 1;) {
    For& a = nest.loops[i - 1];
    For& b = nest.loops[i];
    const bool unit = *extent_of(a) == Dim(1);
    if (!unit && !walk_as_one(program, nest.body, a, b)) continue;
    make_one(a, b, nest.body);
    nest.loops.erase(nest.loops.begin() + static_cast<std::ptrdiff_t>(i) - 1);
  }
}

// Iterations of the loops of a block, as far as they are known.
int64_t inner_iterations(const Block& block) {
  int64_t most = 1;
  for (const ir::Stmt& stmt : block) {
    auto* loop = std::get_if<For>(&stmt.node);
    if (loop == nullptr) continue;
    std::optional<Dim> extent = extent_of(*loop);
    const int64_t trips =
        extent && extent->is_constant() ? std::clamp<int64_t>(extent->value(), 1, kChunk) : 1;
    most = std::max(most, std::min(kChunk, trips * inner_iterations(loop->body)));
  }
  return most;
}

// A lone vector loop becomes parallel chunks of one.
void cut_into_chunks(Nest& nest, VarId chunk) {
  For& vector = nest.loops.back();
  const Dim extent = *extent_of(vector);
  const int64_t piece = std::max(kCacheLine, kChunk / inner_iterations(nest.body) / kCacheLine * kCacheLine);
  if (extent.is_constant() && extent.value() <= piece) return;
  Expr start = ir::var(chunk) * ir::integer(piece);
  vector.begin = start;
  vector.end = ir::min(start + ir::integer(piece), ir::dim(extent));
  nest.loops.insert(
      nest.loops.begin(),
      For{chunk, ir::integer(0), ir::dim(ir::ceil_div(extent, Dim(piece))), LoopKind::kParallel, {}});
}

// The bytes of the widest element of a nest's loads and stores.
int64_t widest_element(const ir::Program& program, const std::vector<Access>& all) {
  int64_t bits = 8;
  for (const Access& access : all)
    bits = std::max<int64_t>(bits, bit_width(program.buffer(access.buffer).dtype));
  return bits / 8;
}

// Puts a piece of the loop across directly around the vector loop, as long as a cache line: the code of the
// two then moves blocks through registers.
void cut_transposition(const ir::Program& program, Nest& nest, ir::Program& variables) {
  const std::vector<Access> all = accesses(nest.body);
  std::optional<Transposition> both = find_transposition(program, nest, all);
  if (!both || both->along + 1 != nest.loops.size() || nest.loops.back().kind != LoopKind::kVector) return;
  const int64_t piece = kCacheLine / widest_element(program, all);
  For& whole = nest.loops[both->across];
  const Dim extent = *extent_of(whole);
  const VarId pieces = variables.fresh_var();
  const Expr start = ir::var(pieces) * ir::integer(piece);
  For inner{whole.var, start, ir::min(start + ir::integer(piece), ir::dim(extent)), LoopKind::kSerial, {}};
  whole = {pieces, ir::integer(0), ir::dim(ir::ceil_div(extent, Dim(piece))), LoopKind::kParallel, {}};
  nest.loops.insert(nest.loops.end() - 1, std::move(inner));
}

void mark_parallel(Nest& nest, ir::Program& variables) {
  int64_t tasks = 1;
  bool enough = false;
  bool any = false;
  for (For& loop : nest.loops) {
    if (loop.kind == LoopKind::kVector || !extent_of(loop)) break;
    loop.kind = enough ? LoopKind::kSerial : LoopKind::kParallel;
    any = true;
    if (std::optional<Dim> extent = extent_of(loop); extent && extent->is_constant())
      tasks *= std::max<int64_t>(1, extent->value());
    enough = tasks >= kEnoughTasks;
  }
  if (!any && nest.loops.size() == 1 && nest.loops[0].kind == LoopKind::kVector) {
    cut_into_chunks(nest, variables.fresh_var());
  }
}

// Of a nest that is scheduled; empty where it has a vector loop.
std::string why_no_vectors(const Block& block) {
  bool any = false, has_vectors = false, continues = false, all_short = true;
  ir::for_each_stmt(block, [&](const ir::Stmt& stmt) {
    const auto* loop = std::get_if<For>(&stmt.node);
    if (loop == nullptr) return;
    any = true;
    has_vectors = has_vectors || loop->kind == LoopKind::kVector;
    continues = continues || reads_own_reduction(*loop);
    all_short = all_short && is_short(*loop);
  });
  if (has_vectors) return {};
  if (!any) return "a few single elements";
  if (all_short) return fmt::format("no loop of {} iterations or more", kShortLoop);
  if (continues) return "every iteration continues the one before";
  return "no loop whose iterations could run side by side";
}

}  // namespace

std::string schedule_loop_nest(const ir::Program& program, ir::LoopNest& loop_nest, ir::Program& variables) {
  Nest nest = split_nest(std::move(loop_nest.body));
  if (has_scatter_or_assign(nest.body)) {
    for (For& loop : nest.loops) loop.kind = LoopKind::kSerial;
    loop_nest.body = join_nest(std::move(nest));
    return "elements that are combined in memory, one after another";
  }
  order_sums(program, nest.body);
  std::vector<Access> all = accesses(nest.body);
  order_by_store(program, nest, all);
  collapse(program, nest);
  all = accesses(nest.body);
  choose_vector_loop(program, nest, all);
  collapse(program, nest);
  cut_transposition(program, nest, variables);
  mark_parallel(nest, variables);
  split_long_sums(nest.body, variables);
  loop_nest.body = join_nest(std::move(nest));
  return why_no_vectors(loop_nest.body);
}

}  // namespace dlc::passes
