#include "ir/kernel/linear.h"

#include <bit>

#include "runtime/error.h"

namespace dlc::ir {

namespace {

std::strong_ordering compare(const Expr& a, const Expr& b) {
  if (a.get() == b.get()) return std::strong_ordering::equal;
  // Variables come first: most indices then read as they were written.
  const bool a_var = a->op == ExprOp::kVar, b_var = b->op == ExprOp::kVar;
  if (a_var != b_var) return a_var ? std::strong_ordering::less : std::strong_ordering::greater;
  if (const auto order = a->op <=> b->op; order != 0) return order;
  if (const auto order = a->type <=> b->type; order != 0) return order;
  if (const auto order = a->var <=> b->var; order != 0) return order;
  if (const auto order = a->integer <=> b->integer; order != 0) return order;
  if (const auto order = a->buffer <=> b->buffer; order != 0) return order;
  if (const auto order = std::bit_cast<uint64_t>(a->real) <=> std::bit_cast<uint64_t>(b->real); order != 0) {
    return order;
  }
  if (const auto order = a->dim <=> b->dim; order != 0) return order;
  if (const auto order = a->args.size() <=> b->args.size(); order != 0) return order;
  for (size_t i = 0; i < a->args.size(); ++i) {
    if (const auto order = compare(a->args[i], b->args[i]); order != 0) return order;
  }
  return std::strong_ordering::equal;
}

Linear atom(const Expr& e) { return {{{e, Dim(1)}}, Dim(0)}; }

}  // namespace

Linear operator+(const Linear& a, const Linear& b) {
  Linear result{{}, a.constant + b.constant};
  size_t i = 0, j = 0;
  while (i < a.terms.size() || j < b.terms.size()) {
    const bool no_a = i == a.terms.size(), no_b = j == b.terms.size();
    const auto order = no_a   ? std::strong_ordering::greater
                       : no_b ? std::strong_ordering::less
                              : compare(a.terms[i].atom, b.terms[j].atom);
    if (order < 0) {
      result.terms.push_back(a.terms[i++]);
    } else if (order > 0) {
      result.terms.push_back(b.terms[j++]);
    } else {
      const Dim sum = a.terms[i].coefficient + b.terms[j].coefficient;
      if (sum != Dim(0)) result.terms.push_back({a.terms[i].atom, sum});
      ++i;
      ++j;
    }
  }
  return result;
}

Linear operator*(const Linear& a, const Dim& factor) {
  if (factor == Dim(0)) return {};
  Linear result{{}, a.constant * factor};
  for (const Linear::Term& term : a.terms) result.terms.push_back({term.atom, term.coefficient * factor});
  return result;
}

Linear linear_of(const Expr& e) {
  check(e.type() == DType::kInt64, "an index expression");
  switch (e->op) {
    case ExprOp::kInt:
      return {{}, Dim(e->integer)};
    case ExprOp::kDim:
      return {{}, e->dim};
    case ExprOp::kAdd:
      return linear_of(e->args[0]) + linear_of(e->args[1]);
    case ExprOp::kSub:
      return linear_of(e->args[0]) - linear_of(e->args[1]);
    case ExprOp::kNeg:
      return linear_of(e->args[0]) * Dim(-1);
    case ExprOp::kMul: {
      const Linear a = linear_of(e->args[0]), b = linear_of(e->args[1]);
      if (b.terms.empty()) return a * b.constant;
      if (a.terms.empty()) return b * a.constant;
      return atom(e);
    }
    default:
      return atom(e);
  }
}

Expr to_expr(const Linear& form) {
  Expr sum;
  for (const Linear::Term& term : form.terms) {
    const bool negative = term.coefficient.is_constant() && term.coefficient.value() < 0;
    if (negative && sum) {
      sum = sum - term.atom * dim(-term.coefficient);
    } else {
      const Expr product = term.atom * dim(term.coefficient);
      sum = sum ? sum + product : product;
    }
  }
  if (!sum) return dim(form.constant);
  const bool negative = form.constant.is_constant() && form.constant.value() < 0;
  return negative ? sum - dim(-form.constant) : sum + dim(form.constant);
}

bool proves_non_negative(const Dim& value) {
  const std::optional<int64_t> bound = lower_bound(value);
  return bound && *bound >= 0;
}

bool proves_inside(const Interval& range, const Dim& extent) {
  return range.low && range.high && proves_non_negative(*range.low) &&
         proves_less_equal(*range.high, extent - 1);
}

namespace {

using Bound = std::optional<Dim>;

template <class F>
Bound both(const Bound& a, const Bound& b, const F& f) {
  return a && b ? Bound(f(*a, *b)) : std::nullopt;
}

Interval scaled(const Interval& range, const Dim& factor) {
  const auto times = [&](const Bound& bound) { return bound ? Bound(*bound * factor) : std::nullopt; };
  if (proves_non_negative(factor)) return {times(range.low), times(range.high)};
  if (proves_non_negative(-factor)) return {times(range.high), times(range.low)};
  return {};
}

Interval range_of_type(DType type) {
  if (type == DType::kBool) return {Dim(0), Dim(1)};
  const int bits = bit_width(type);
  if (!is_integer(type) || bits > 32) return {};
  if (!is_signed(type)) return {Dim(0), Dim((int64_t{1} << bits) - 1)};
  return {Dim(-(int64_t{1} << (bits - 1))), Dim((int64_t{1} << (bits - 1)) - 1)};
}

// floor(x / c) and x - c * floor(x / c) for c > 0; a divisor that may be zero is undefined there.
Interval range_of_division(ExprOp op, const Interval& x, const Expr& divisor) {
  const Linear c = linear_of(divisor);
  if (!c.terms.empty() || !proves_non_negative(c.constant)) return {};
  if (op == ExprOp::kMod) return proves_inside(x, c.constant) ? x : Interval{Dim(0), c.constant - 1};
  const auto divide = [&](const Bound& bound) {
    return bound ? Bound(floor_div(*bound, c.constant)) : std::nullopt;
  };
  return {divide(x.low), divide(x.high)};
}

Interval hull(const Interval& a, const Interval& b) {
  return {both(a.low, b.low, [](const Dim& x, const Dim& y) { return min(x, y); }),
          both(a.high, b.high, [](const Dim& x, const Dim& y) { return max(x, y); })};
}

Interval range_of_min(const Interval& a, const Interval& b) {
  const Bound low = both(a.low, b.low, [](const Dim& x, const Dim& y) { return min(x, y); });
  const Bound high = both(a.high, b.high, [](const Dim& x, const Dim& y) { return min(x, y); });
  return {low, high ? high : a.high ? a.high : b.high};
}

Interval range_of_max(const Interval& a, const Interval& b) {
  const Bound low = both(a.low, b.low, [](const Dim& x, const Dim& y) { return max(x, y); });
  const Bound high = both(a.high, b.high, [](const Dim& x, const Dim& y) { return max(x, y); });
  return {low ? low : a.low ? a.low : b.low, high};
}

Interval range_of_atom(const Expr& e, const VarRanges& ranges) {
  switch (e->op) {
    case ExprOp::kVar: {
      const auto it = ranges.find(e->var);
      return it == ranges.end() ? range_of_type(e->type) : it->second;
    }
    case ExprOp::kFloorDiv:
    case ExprOp::kMod:
      return range_of_division(e->op, range_of(e->args[0], ranges), e->args[1]);
    case ExprOp::kMin:
      return range_of_min(range_of(e->args[0], ranges), range_of(e->args[1], ranges));
    case ExprOp::kMax:
      return range_of_max(range_of(e->args[0], ranges), range_of(e->args[1], ranges));
    case ExprOp::kSelect:
      return hull(range_of(e->args[1], ranges), range_of(e->args[2], ranges));
    case ExprOp::kCast:
      return range_of_type(e->args[0].type());
    case ExprOp::kMul: {
      const Interval a = range_of(e->args[0], ranges), b = range_of(e->args[1], ranges);
      const bool positive = a.low && b.low && proves_non_negative(*a.low) && proves_non_negative(*b.low);
      if (!positive) return {};
      return {*a.low * *b.low, both(a.high, b.high, [](const Dim& x, const Dim& y) { return x * y; })};
    }
    default:
      return {};
  }
}

}  // namespace

Interval range_of(const Linear& form, const VarRanges& ranges) {
  Interval result{form.constant, form.constant};
  const auto sum = [](const Dim& x, const Dim& y) { return x + y; };
  for (const Linear::Term& term : form.terms) {
    const Interval part = scaled(range_of_atom(term.atom, ranges), term.coefficient);
    result = {both(result.low, part.low, sum), both(result.high, part.high, sum)};
  }
  return result;
}

Interval range_of(const Expr& e, const VarRanges& ranges) {
  if (e.type() != DType::kInt64) return range_of_type(e.type());
  return range_of(linear_of(e), ranges);
}

void add_ranges(const Block& block, VarRanges& ranges) {
  for_each_stmt(block, [&](const Stmt& stmt) {
    if (const auto* loop = std::get_if<For>(&stmt.node)) {
      const Interval end = range_of(loop->end, ranges);
      ranges[loop->var] = {range_of(loop->begin, ranges).low, end.high ? Bound(*end.high - 1) : std::nullopt};
    } else if (const auto* let = std::get_if<Let>(&stmt.node)) {
      if (let->value.type() == DType::kInt64) ranges[let->var] = range_of(let->value, ranges);
    }
  });
  for_each_stmt(block, [&](const Stmt& stmt) {
    if (const auto* reduce = std::get_if<Reduce>(&stmt.node)) ranges.erase(reduce->var);
    if (const auto* assign = std::get_if<Assign>(&stmt.node)) ranges.erase(assign->var);
  });
}

VarRanges ranges_of(const Kernel& kernel) {
  VarRanges ranges;
  if (const auto* nest = std::get_if<LoopNest>(&kernel.body)) {
    add_ranges(nest->body, ranges);
  } else if (const auto* contraction = std::get_if<Contraction>(&kernel.body)) {
    for (const ContractionAxis& axis : contraction->axes) ranges[axis.var] = {Dim(0), axis.extent - 1};
  } else if (const auto* attention = std::get_if<Attention>(&kernel.body)) {
    for (const LoopAxis& axis : axes_of(*attention)) ranges[axis.var] = {Dim(0), axis.extent - 1};
  }
  return ranges;
}

}  // namespace dlc::ir
