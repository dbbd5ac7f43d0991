#include "passes/fusion/element_map.h"

#include <algorithm>
#include <unordered_set>

namespace dlc::passes {

using ir::Expr;
using ir::ExprNode;
using ir::ExprOp;
using ir::VarId;

namespace {

constexpr int kPickCost = 2;
constexpr int kDivisionCost = 4;
constexpr int kMathCost = 12;

// Whether the position of an element is data: lanes then load one by one.
bool picks(const ExprNode& load) {
  bool found = false;
  for (const Expr& index : load.args)
    ir::visit(index, [&](const ExprNode& node) { found = found || node.op == ExprOp::kLoad; });
  return found;
}

int operation_cost(const ExprNode& node) {
  switch (node.op) {
    case ExprOp::kInt:
    case ExprOp::kFloat:
    case ExprOp::kVar:
    case ExprOp::kDim:
      return 0;
    case ExprOp::kLoad:
      return picks(node) ? kPickCost : 0;
    case ExprOp::kDiv:
    case ExprOp::kFloorDiv:
    case ExprOp::kMod:
    case ExprOp::kTruncMod:
    case ExprOp::kSqrt:
    case ExprOp::kRsqrt:
      return kDivisionCost;
    default:
      break;
  }
  const bool rounds = node.op == ExprOp::kFloor || node.op == ExprOp::kCeil || node.op == ExprOp::kTrunc ||
                      node.op == ExprOp::kRoundEven;
  const bool tests = node.op == ExprOp::kIsNan || node.op == ExprOp::kIsInf || node.op == ExprOp::kCopysign;
  return node.op > ExprOp::kRsqrt && !rounds && !tests ? kMathCost : 1;
}

// Calls f for the nodes of a value, each once, without those of indices.
template <class F>
void visit_value(const Expr& e, std::unordered_set<const ExprNode*>& seen, const F& f) {
  if (!seen.insert(e.get()).second) return;
  f(e);
  if (e->op == ExprOp::kLoad) return;
  for (const Expr& arg : e->args) visit_value(arg, seen, f);
}

bool has_extent(const ir::For& loop, const ir::Dim& extent) {
  if (loop.begin->op != ExprOp::kInt || loop.begin->integer != 0) return false;
  const std::optional<ir::Dim> end = loop.end->op == ExprOp::kInt ? std::optional(ir::Dim(loop.end->integer))
                                     : loop.end->op == ExprOp::kDim ? std::optional(loop.end->dim)
                                                                    : std::nullopt;
  return end && *end == extent;
}

// The loop around the others that a variable belongs to.
const ir::For* loop_of(const std::vector<const ir::For*>& loops, const Expr& e) {
  if (e->op != ExprOp::kVar) return nullptr;
  const auto it =
      std::find_if(loops.begin(), loops.end(), [&](const ir::For* l) { return l->var == e->var; });
  return it == loops.end() ? nullptr : *it;
}

// The variables of a store that covers its whole buffer.
std::optional<std::vector<VarId>> covering_vars(const ir::Program& program, const ir::Store& store,
                                                const std::vector<const ir::For*>& loops) {
  const ir::Shape& shape = program.buffer(store.buffer).shape;
  std::vector<VarId> vars;
  size_t used = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    const Expr& position = store.index[i];
    if (shape[i] == ir::Dim(1) && position->op == ExprOp::kInt) {
      vars.push_back(VarId::kNone);
      continue;
    }
    const ir::For* loop = loop_of(loops, position);
    if (loop == nullptr || !has_extent(*loop, shape[i])) return std::nullopt;
    if (std::find(vars.begin(), vars.end(), loop->var) != vars.end()) return std::nullopt;
    vars.push_back(loop->var);
    ++used;
  }
  if (used != loops.size()) return std::nullopt;
  return vars;
}

}  // namespace

Expr ElementMap::at(const ir::Index& index) const {
  return ir::substitute(value, [&](VarId v) {
    const auto it = std::find(vars.begin(), vars.end(), v);
    return it == vars.end() ? Expr() : index[static_cast<size_t>(it - vars.begin())];
  });
}

std::optional<ElementMap> element_map(const ir::Program& program, const ir::Kernel& kernel) {
  const auto* nest = std::get_if<ir::LoopNest>(&kernel.body);
  if (nest == nullptr) return std::nullopt;
  std::vector<const ir::For*> loops;
  const ir::Block* block = &nest->body;
  while (block->size() == 1 && std::holds_alternative<ir::For>(block->front().node)) {
    loops.push_back(&std::get<ir::For>(block->front().node));
    block = &loops.back()->body;
  }
  std::map<VarId, Expr> scalars;
  auto resolve = [&](const Expr& e) {
    return ir::substitute(e, [&](VarId v) {
      const auto it = scalars.find(v);
      return it == scalars.end() ? Expr() : it->second;
    });
  };
  for (size_t i = 0; i < block->size(); ++i) {
    if (const auto* let = std::get_if<ir::Let>(&(*block)[i].node)) {
      scalars[let->var] = resolve(let->value);
      continue;
    }
    const auto* store = std::get_if<ir::Store>(&(*block)[i].node);
    if (store == nullptr || i + 1 != block->size()) return std::nullopt;
    std::optional<std::vector<VarId>> vars = covering_vars(program, *store, loops);
    if (!vars) return std::nullopt;
    return ElementMap{store->buffer, std::move(*vars), resolve(store->value)};
  }
  return std::nullopt;
}

std::vector<Expr> loads_of(const Expr& value) {
  std::vector<Expr> loads;
  std::unordered_set<const ExprNode*> seen;
  visit_value(value, seen, [&](const Expr& e) {
    if (e->op == ExprOp::kLoad) loads.push_back(e);
  });
  return loads;
}

Expr sole_load(const ir::Program& program, const Expr& value, ir::BufferId root) {
  Expr found;
  for (const Expr& load : loads_of(value)) {
    if (ir::root_of(program, load->buffer) != root) continue;
    if (found && !ir::same(found, load)) return {};
    found = load;
  }
  return found;
}

bool covers(const ir::Program& program, const ElementMap& map, const Expr& load) {
  const ir::Shape& shape = program.buffer(load->buffer).shape;
  const ir::Shape& domain = program.buffer(map.out).shape;
  std::vector<VarId> used;
  for (size_t i = 0; i < shape.size(); ++i) {
    const Expr& position = load->args[i];
    if (shape[i] == ir::Dim(1) && position->op == ExprOp::kInt) continue;
    if (position->op != ExprOp::kVar) return false;
    const auto it = std::find(map.vars.begin(), map.vars.end(), position->var);
    if (it == map.vars.end() || domain[static_cast<size_t>(it - map.vars.begin())] != shape[i]) return false;
    if (std::find(used.begin(), used.end(), position->var) != used.end()) return false;
    used.push_back(position->var);
  }
  return static_cast<std::ptrdiff_t>(used.size()) ==
         std::count_if(map.vars.begin(), map.vars.end(), [](VarId v) { return v != VarId::kNone; });
}

int cost_of(const Expr& value) {
  int cost = 0;
  std::unordered_set<const ExprNode*> seen;
  visit_value(value, seen, [&](const Expr& e) { cost += operation_cost(*e); });
  return cost;
}

bool is_division_free(const Expr& index) {
  bool free = true;
  ir::visit(index, [&](const ExprNode& node) {
    free = free && node.op != ExprOp::kFloorDiv && node.op != ExprOp::kMod && node.op != ExprOp::kDiv &&
           node.op != ExprOp::kTruncMod;
  });
  return free;
}

bool is_linear(const Expr& index) {
  switch (index->op) {
    case ExprOp::kInt:
    case ExprOp::kDim:
    case ExprOp::kVar:
      return true;
    case ExprOp::kAdd:
    case ExprOp::kSub:
    case ExprOp::kNeg:
      return std::all_of(index->args.begin(), index->args.end(), is_linear);
    case ExprOp::kMul: {
      const auto is_factor = [](const Expr& e) { return e->op == ExprOp::kInt || e->op == ExprOp::kDim; };
      return (is_factor(index->args[0]) && is_linear(index->args[1])) ||
             (is_factor(index->args[1]) && is_linear(index->args[0]));
    }
    default:
      return false;
  }
}

}  // namespace dlc::passes
