#include "ir/kernel/verify_expr.h"

#include <fmt/format.h>

#include "ir/kernel/names.h"
#include "ir/kernel/print.h"
#include "runtime/error.h"

namespace dlc::ir {

namespace {

template <class... Args>
[[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) {
  fail(ErrorKind::kInternal, format, std::forward<Args>(args)...);
}

void expect_type(std::string_view what, DType expected, DType found) {
  if (expected != found) wrong("{}: expected {}, found {}", what, dlc::name(expected), dlc::name(found));
}

bool integers_only(ExprOp op) {
  return op == ExprOp::kAnd || op == ExprOp::kOr || op == ExprOp::kXor || op == ExprOp::kNot ||
         op == ExprOp::kShl || op == ExprOp::kShr;
}

bool floats_only(ExprOp op) {
  return (op >= ExprOp::kSqrt && op <= ExprOp::kErf && op != ExprOp::kFloor && op != ExprOp::kCeil &&
          op != ExprOp::kRoundEven && op != ExprOp::kTrunc) ||
         op == ExprOp::kCopysign;
}

}  // namespace

void ExprVerifier::declare(VarId var, DType type) {
  if (!declared_.insert(var).second) wrong("variable {} is defined twice", var_text(var));
  if (static_cast<int32_t>(var) < 0 || static_cast<int32_t>(var) >= program_.next_var) {
    wrong("variable {} is not one of the program", var_text(var));
  }
  scope_[var] = type;
  depth_[var] = parallel_depth_;
}

DType ExprVerifier::type_of(VarId var) const {
  const auto it = scope_.find(var);
  if (it == scope_.end()) wrong("variable {} is used outside of its scope", var_text(var));
  return it->second;
}

void ExprVerifier::dim(const Dim& dim) const {
  std::set<std::string> used;
  dim.collect_symbols(used);
  for (const std::string& symbol : used) {
    if (!symbols_.contains(symbol)) wrong("symbol {} is used before it is bound", symbol);
  }
}

void ExprVerifier::buffer(BufferId id) const {
  if (static_cast<int64_t>(id) < 0 || static_cast<size_t>(id) >= program_.buffers.size()) {
    wrong("there is no buffer {}", buffer_text(id));
  }
  for (const Dim& extent : program_.buffer(id).shape) dim(extent);
}

void ExprVerifier::index(BufferId id, const std::vector<Expr>& index, bool guarded) {
  buffer(id);
  const Shape& shape = program_.buffer(id).shape;
  if (index.size() != shape.size()) {
    wrong("{}: {} indices for {} axes", index_text(id, index), index.size(), shape.size());
  }
  for (size_t i = 0; i < index.size(); ++i) {
    expect_type(index_text(id, index), DType::kInt64, index[i].type());
    expression(index[i], guarded);
    const Interval range = range_of(index[i], ranges_);
    // The ends of a range need not be attained, but for a plain variable and a number they are.
    const bool attained = !guarded && (index[i]->op == ExprOp::kVar || index[i]->op == ExprOp::kInt);
    const bool never_inside = (range.high && proves_less_equal(*range.high, Dim(-1)) && !guarded) ||
                              (range.low && proves_less_equal(shape[i], *range.low) && !guarded);
    const bool leaves = attained && range.high && range.high->is_constant() && shape[i].is_constant() &&
                        range.high->value() >= shape[i].value();
    if (never_inside || leaves) {
      wrong("{}: index {} leaves the extent {}", index_text(id, index), i, shape[i].to_string());
    }
  }
}

void ExprVerifier::arguments(const ExprNode& node) {
  const std::string_view op = name(node.op);
  const int expected = arity_of(node.op);
  if (expected >= 0 && static_cast<int>(node.args.size()) != expected) {
    wrong("'{}' takes {} arguments, found {}", op, expected, node.args.size());
  }
  const size_t first = node.op == ExprOp::kSelect ? 1 : 0;
  for (size_t i = first; i < node.args.size(); ++i)
    expect_type(op, node.args[first].type(), node.args[i].type());
  if (node.op == ExprOp::kCast) return;
  const DType argument = node.args[first].type();
  if (node.op == ExprOp::kBitcast) {
    if (bit_width(node.type) != bit_width(argument)) wrong("'bitcast' between types of different width");
    return;
  }
  const bool test = is_comparison(node.op) || node.op == ExprOp::kIsNan || node.op == ExprOp::kIsInf;
  expect_type(op, test ? DType::kBool : argument, node.type);
  if (node.op == ExprOp::kSelect) expect_type("the condition of 'select'", DType::kBool, node.args[0].type());
  if (integers_only(node.op) && is_float(argument)) wrong("'{}' of {}", op, dlc::name(argument));
  if (floats_only(node.op) && !is_float(argument)) wrong("'{}' of {}", op, dlc::name(argument));
}

void ExprVerifier::expression(const Expr& e, bool guarded) {
  if (!e) wrong("an expression is missing");
  switch (e->op) {
    case ExprOp::kInt:
      if (is_float(e->type)) wrong("an integer constant of type {}", dlc::name(e->type));
      return;
    case ExprOp::kFloat:
      if (!is_float(e->type)) wrong("a float constant of type {}", dlc::name(e->type));
      return;
    case ExprOp::kVar:
      expect_type(var_text(e->var), type_of(e->var), e->type);
      return;
    case ExprOp::kDim:
      dim(e->dim);
      return;
    case ExprOp::kLoad:
      index(e->buffer, e->args, guarded);
      expect_type(to_string(e), program_.buffer(e->buffer).dtype, e->type);
      return;
    default:
      break;
  }
  arguments(*e);
  for (size_t i = 0; i < e->args.size(); ++i) {
    expression(e->args[i], guarded || (e->op == ExprOp::kSelect && i > 0));
  }
}

void ExprVerifier::block(const Block& block, LoopKind around, bool guarded) {
  std::vector<VarId> local;
  for (const Stmt& stmt : block) {
    statement(stmt, around, guarded);
    if (const auto* let = std::get_if<Let>(&stmt.node)) local.push_back(let->var);
  }
  for (VarId var : local) forget(var);
}

void ExprVerifier::loop(const For& loop, LoopKind around, bool guarded) {
  if (around == LoopKind::kVector) wrong("a loop inside of the vector loop");
  if (loop.kind == LoopKind::kParallel && around != LoopKind::kParallel)
    wrong("a parallel loop inside of a serial one");
  expect_type("the begin of a loop", DType::kInt64, loop.begin.type());
  expect_type("the end of a loop", DType::kInt64, loop.end.type());
  expression(loop.begin, guarded);
  expression(loop.end, guarded);
  if (loop.kind == LoopKind::kParallel) ++parallel_depth_;
  declare(loop.var, DType::kInt64);
  const Interval begin = range_of(loop.begin, ranges_), end = range_of(loop.end, ranges_);
  ranges_[loop.var] = {begin.low, end.high ? std::optional<Dim>(*end.high - 1) : std::nullopt};
  // A loop that may run no iteration guards its body.
  const bool runs = begin.high && end.low && proves_less_equal(*begin.high + 1, *end.low);
  block(loop.body, loop.kind, guarded || !runs);
  forget(loop.var);
  if (loop.kind == LoopKind::kParallel) --parallel_depth_;
}

void ExprVerifier::statement(const Stmt& stmt, LoopKind around, bool guarded) {
  const auto assigned = [&](VarId var, const Expr& value) {
    expression(value, guarded);
    expect_type(var_text(var), type_of(var), value.type());
    if (depth_.at(var) != parallel_depth_)
      wrong("{} carries a value over parallel iterations", var_text(var));
  };
  if (const auto* nested = std::get_if<For>(&stmt.node)) {
    loop(*nested, around, guarded);
  } else if (const auto* store = std::get_if<Store>(&stmt.node)) {
    index(store->buffer, store->index, guarded);
    expression(store->value, guarded);
    expect_type(index_text(store->buffer, store->index), program_.buffer(store->buffer).dtype,
                store->value.type());
  } else if (const auto* let = std::get_if<Let>(&stmt.node)) {
    expression(let->value, guarded);
    declare(let->var, let->value.type());
  } else if (const auto* reduce = std::get_if<Reduce>(&stmt.node)) {
    assigned(reduce->var, reduce->value);
  } else if (const auto* assign = std::get_if<Assign>(&stmt.node)) {
    assigned(assign->var, assign->value);
  } else if (const auto* branch = std::get_if<If>(&stmt.node)) {
    expression(branch->condition, guarded);
    expect_type("a condition", DType::kBool, branch->condition.type());
    block(branch->then_body, LoopKind::kSerial, true);
  } else if (const auto* scatter = std::get_if<Scatter>(&stmt.node)) {
    index(scatter->buffer, scatter->index, guarded);
    expression(scatter->value, guarded);
    expect_type(index_text(scatter->buffer, scatter->index), program_.buffer(scatter->buffer).dtype,
                scatter->value.type());
  }
}

}  // namespace dlc::ir
