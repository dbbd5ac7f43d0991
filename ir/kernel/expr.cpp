#include "ir/kernel/expr.h"

#include <bit>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "ir/kernel/names.h"
#include "ir/kernel/scalar.h"
#include "runtime/error.h"

namespace dlc::ir {

DType Expr::type() const { return node_->type; }

namespace {

Expr make_node(ExprNode node) { return Expr(std::make_shared<const ExprNode>(std::move(node))); }

bool is_constant(const Expr& e) { return e->op == ExprOp::kInt || e->op == ExprOp::kFloat; }
bool is_int(const Expr& e, int64_t value) { return e->op == ExprOp::kInt && e->integer == value; }
bool is_division(ExprOp op) {
  return op == ExprOp::kDiv || op == ExprOp::kFloorDiv || op == ExprOp::kMod || op == ExprOp::kTruncMod ||
         op == ExprOp::kFmod;
}

Expr from_scalar(DType type, Scalar value) {
  return is_real(type) ? real(value.real, type) : integer(value.integer, type);
}
Scalar to_scalar(const Expr& e) {
  return e->op == ExprOp::kFloat ? scalar_of_real(e->real) : scalar_of(e->integer);
}

// The value of an int64 expression that is known as a Dim.
std::optional<Dim> as_dim(const Expr& e) {
  if (e.type() != DType::kInt64) return std::nullopt;
  if (e->op == ExprOp::kInt) return Dim(e->integer);
  if (e->op == ExprOp::kDim) return e->dim;
  return std::nullopt;
}

// Arithmetic on run-time extents stays one Dim, so that equal formulas are seen
// to be equal.
Expr fold_dims(ExprOp op, const Dim& a, const Dim& b) {
  const bool divisible = b.is_constant() && b.value() != 0;
  if (op == ExprOp::kAdd) return dim(a + b);
  if (op == ExprOp::kSub) return dim(a - b);
  if (op == ExprOp::kMul) return dim(a * b);
  if (op == ExprOp::kMin) return dim(min(a, b));
  if (op == ExprOp::kMax) return dim(max(a, b));
  if (op == ExprOp::kFloorDiv && divisible) return dim(floor_div(a, b));
  if (op == ExprOp::kMod && divisible) return dim(mod(a, b));
  if (!is_comparison(op)) return {};
  const Dim difference = a - b;
  if (!difference.is_constant()) return {};
  const Scalar args[] = {scalar_of(difference.value()), scalar_of(0)};
  return boolean(apply(op, DType::kInt64, DType::kBool, args).integer != 0);
}

// x + 0, x * 1 and their like; integers and bool only.
Expr fold_identity(ExprOp op, const Expr& a, const Expr& b) {
  const bool logic = a.type() == DType::kBool;
  switch (op) {
    case ExprOp::kAdd:
      return is_int(b, 0) ? a : is_int(a, 0) ? b : Expr();
    case ExprOp::kSub:
      return is_int(b, 0) ? a : Expr();
    case ExprOp::kMul:
      if (is_int(a, 0) || is_int(b, 0)) return integer(0, a.type());
      return is_int(b, 1) ? a : is_int(a, 1) ? b : Expr();
    case ExprOp::kDiv:
    case ExprOp::kFloorDiv:
      return is_int(b, 1) ? a : Expr();
    case ExprOp::kMod:
      return is_int(b, 1) ? integer(0, a.type()) : Expr();
    case ExprOp::kAnd:
      if (is_int(a, 0) || is_int(b, 0)) return integer(0, a.type());
      return !logic ? Expr() : is_int(b, 1) ? a : is_int(a, 1) ? b : Expr();
    case ExprOp::kOr:
      if (logic && (is_int(a, 1) || is_int(b, 1))) return boolean(true);
      return is_int(b, 0) ? a : is_int(a, 0) ? b : Expr();
    default:
      return {};
  }
}

// The same operation on other arguments, folded as construction folds.
Expr rebuild(const ExprNode& node, std::vector<Expr> args) {
  switch (node.op) {
    case ExprOp::kLoad:
      return load(node.buffer, node.type, std::move(args));
    case ExprOp::kSelect:
      return select(args[0], args[1], args[2]);
    case ExprOp::kCast:
      return cast(args[0], node.type);
    case ExprOp::kFma:
    case ExprOp::kBitcast:
      return make(node.op, node.type, std::move(args));
    default:
      return args.size() == 1 ? unary(node.op, args[0]) : binary(node.op, args[0], args[1]);
  }
}

}  // namespace

Expr integer(int64_t value, DType type) {
  check(!is_real(type), "an integer type");
  return make_node({.op = ExprOp::kInt, .type = type, .integer = wrap(type, value)});
}

Expr real(double value, DType type) {
  check(is_real(type), "a float type");
  return make_node({.op = ExprOp::kFloat, .type = type, .real = round_to(type, value)});
}

Expr constant(DType type, double value) {
  if (is_real(type)) return real(value, type);
  const Scalar argument = scalar_of_real(value);
  return integer(apply(ExprOp::kCast, DType::kDouble, type, &argument).integer, type);
}

Expr boolean(bool value) { return integer(value ? 1 : 0, DType::kBool); }

Expr var(VarId id, DType type) { return make_node({.op = ExprOp::kVar, .type = type, .var = id}); }

Expr dim(const Dim& value) {
  if (value.is_constant()) return integer(value.value());
  return make_node({.op = ExprOp::kDim, .type = DType::kInt64, .dim = value});
}

Expr load(BufferId buffer, DType type, std::vector<Expr> index) {
  for (const Expr& i : index) check(i.type() == DType::kInt64, "an int64 index");
  return make_node({.op = ExprOp::kLoad, .type = type, .args = std::move(index), .buffer = buffer});
}

Expr make(ExprOp op, DType type, std::vector<Expr> args) {
  return make_node({.op = op, .type = type, .args = std::move(args)});
}

Expr unary(ExprOp op, Expr a) {
  const DType type = op == ExprOp::kIsNan || op == ExprOp::kIsInf ? DType::kBool : a.type();
  if (is_constant(a)) {
    const Scalar argument = to_scalar(a);
    return from_scalar(type, apply(op, a.type(), type, &argument));
  }
  if (op == ExprOp::kNeg && a->op == ExprOp::kDim) return dim(-a->dim);
  if ((op == ExprOp::kNeg || op == ExprOp::kNot) && a->op == op) return a->args[0];
  return make(op, type, {std::move(a)});
}

Expr binary(ExprOp op, Expr a, Expr b) {
  check(a.type() == b.type(), "arguments of one type");
  const DType type = is_comparison(op) ? DType::kBool : a.type();
  if (is_constant(a) && is_constant(b) && !(is_division(op) && is_int(b, 0))) {
    const Scalar args[] = {to_scalar(a), to_scalar(b)};
    return from_scalar(type, apply(op, a.type(), type, args));
  }
  if (!is_real(a.type())) {
    const std::optional<Dim> x = as_dim(a), y = as_dim(b);
    if (x && y) {
      if (Expr folded = fold_dims(op, *x, *y)) return folded;
    }
    if (Expr folded = fold_identity(op, a, b)) return folded;
  }
  return make(op, type, {std::move(a), std::move(b)});
}

Expr select(Expr condition, Expr a, Expr b) {
  check(condition.type() == DType::kBool, "a bool condition");
  check(a.type() == b.type(), "arguments of one type");
  if (condition->op == ExprOp::kInt) return condition->integer != 0 ? a : b;
  if (same(a, b)) return a;
  const DType type = a.type();
  return make(ExprOp::kSelect, type, {std::move(condition), std::move(a), std::move(b)});
}

Expr cast(Expr value, DType type) {
  if (value.type() == type) return value;
  if (is_constant(value)) {
    const Scalar argument = to_scalar(value);
    return from_scalar(type, apply(ExprOp::kCast, value.type(), type, &argument));
  }
  return make(ExprOp::kCast, type, {std::move(value)});
}

Expr equal(const Expr& a, const Expr& b) { return binary(ExprOp::kEq, a, b); }
Expr not_equal(const Expr& a, const Expr& b) { return binary(ExprOp::kNe, a, b); }
Expr min(const Expr& a, const Expr& b) { return binary(ExprOp::kMin, a, b); }
Expr max(const Expr& a, const Expr& b) { return binary(ExprOp::kMax, a, b); }

bool same(const Expr& a, const Expr& b) {
  if (a.get() == b.get()) return true;
  if (!a || !b || a->op != b->op || a->type != b->type || a->args.size() != b->args.size()) return false;
  // Bits, so that NaN is itself and -0 is not 0.
  if (std::bit_cast<uint64_t>(a->real) != std::bit_cast<uint64_t>(b->real)) return false;
  if (a->integer != b->integer || a->var != b->var || a->buffer != b->buffer || a->dim != b->dim)
    return false;
  for (size_t i = 0; i < a->args.size(); ++i) {
    if (!same(a->args[i], b->args[i])) return false;
  }
  return true;
}

namespace {

// Trees share nodes; what is shared is rewritten once and stays shared.
struct Rewriter {
  const std::function<Expr(const Expr&)>& f;
  std::unordered_map<const ExprNode*, Expr> done = {};

  Expr run(const Expr& e) {
    if (const auto it = done.find(e.get()); it != done.end()) return it->second;
    std::vector<Expr> args;
    args.reserve(e->args.size());
    bool changed = false;
    for (const Expr& arg : e->args) {
      args.push_back(run(arg));
      changed |= args.back().get() != arg.get();
    }
    const Expr rebuilt = changed ? rebuild(*e, std::move(args)) : e;
    const Expr replaced = f(rebuilt);
    return done[e.get()] = replaced ? replaced : rebuilt;
  }
};

struct Visitor {
  const std::function<void(const ExprNode&)>& f;
  std::unordered_set<const ExprNode*> seen = {};

  void run(const ExprNode& node) {
    if (!seen.insert(&node).second) return;
    f(node);
    for (const Expr& arg : node.args) run(*arg);
  }
};

}  // namespace

Expr rewrite(const Expr& e, const std::function<Expr(const Expr&)>& f) { return Rewriter{f}.run(e); }

void visit(const Expr& e, const std::function<void(const ExprNode&)>& f) { Visitor{f}.run(*e); }

Expr substitute(const Expr& e, const std::function<Expr(VarId)>& replacement) {
  return rewrite(e, [&](const Expr& x) { return x->op == ExprOp::kVar ? replacement(x->var) : Expr(); });
}

bool uses_var(const Expr& e, VarId id) {
  bool found = false;
  visit(e, [&](const ExprNode& node) { found |= node.op == ExprOp::kVar && node.var == id; });
  return found;
}

int count_nodes(const Expr& e) {
  int count = 1;
  for (const Expr& arg : e->args) count += count_nodes(arg);
  return count;
}

std::optional<Affine> affine_in(const Expr& e, VarId v) {
  if (e->op == ExprOp::kVar && e->var == v) return Affine{integer(1), integer(0)};
  if (!uses_var(e, v)) return Affine{integer(0), e};
  const bool sum = e->op == ExprOp::kAdd || e->op == ExprOp::kSub;
  if (e.type() != DType::kInt64 || (!sum && e->op != ExprOp::kMul && e->op != ExprOp::kNeg))
    return std::nullopt;
  const std::optional<Affine> a = affine_in(e->args[0], v);
  if (!a) return std::nullopt;
  if (e->op == ExprOp::kNeg) return Affine{-a->coefficient, -a->rest};
  const std::optional<Affine> b = affine_in(e->args[1], v);
  if (!b) return std::nullopt;
  if (sum) return Affine{binary(e->op, a->coefficient, b->coefficient), binary(e->op, a->rest, b->rest)};
  if (is_int(b->coefficient, 0)) return Affine{a->coefficient * b->rest, a->rest * b->rest};
  if (is_int(a->coefficient, 0)) return Affine{a->rest * b->coefficient, a->rest * b->rest};
  return std::nullopt;
}

}  // namespace dlc::ir
