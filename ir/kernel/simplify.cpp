#include "ir/kernel/simplify.h"

#include <cmath>
#include <numeric>

#include "ir/kernel/names.h"
#include "ir/kernel/scalar.h"

namespace dlc::ir {

namespace {

bool is_index(const Expr& e) { return e.type() == DType::kInt64; }
bool is_int(const Expr& e, int64_t value) { return e->op == ExprOp::kInt && e->integer == value; }
bool is_float_constant(const Expr& e, double value) {
  return e->op == ExprOp::kFloat && e->real == value && std::signbit(e->real) == std::signbit(value);
}

// ---- Sums and products of indices ----

// c * floordiv(x, c) + mod(x, c) is x.
bool join_division(Linear& form) {
  for (const Linear::Term& part : form.terms) {
    if (part.atom->op != ExprOp::kMod) continue;
    const Linear divisor = linear_of(part.atom->args[1]);
    const Expr quotient = make(ExprOp::kFloorDiv, DType::kInt64, part.atom->args);
    for (const Linear::Term& whole : form.terms) {
      if (!divisor.terms.empty() || whole.coefficient != part.coefficient * divisor.constant) continue;
      if (!same(whole.atom, quotient)) continue;
      const Linear gone{{part}, Dim(0)}, gone_too{{whole}, Dim(0)};
      form = form - gone - gone_too + linear_of(part.atom->args[0]) * part.coefficient;
      return true;
    }
  }
  return false;
}

Expr normalize_sum(const Expr& e, const VarRanges&) {
  if (!is_index(e)) return {};
  Linear form = linear_of(e);
  while (join_division(form)) {
  }
  const Expr sum = to_expr(form);
  return same(sum, e) ? Expr() : sum;
}

// ---- Division of indices ----

// The divisor as a positive Dim. Division by zero is undefined, so a divisor that cannot be negative is
// positive.
std::optional<Dim> positive_divisor(const Expr& e) {
  if (!is_index(e)) return std::nullopt;
  const Linear form = linear_of(e);
  if (!form.terms.empty() || form.constant == Dim(0) || !proves_non_negative(form.constant))
    return std::nullopt;
  return form.constant;
}

std::optional<Dim> exact_quotient(const Dim& value, const Dim& divisor) {
  if (value == Dim(0)) return Dim(0);
  const Dim quotient = floor_div(value, divisor);
  return quotient * divisor == value ? std::optional<Dim>(quotient) : std::nullopt;
}

// x = divisor * quotient + rest, with as much in the quotient as divides exactly.
struct Split {
  Linear quotient;
  Linear rest;
};
Split split(const Linear& x, const Dim& divisor) {
  Split result;
  for (const Linear::Term& term : x.terms) {
    const std::optional<Dim> exact = exact_quotient(term.coefficient, divisor);
    if (exact) result.quotient.terms.push_back({term.atom, *exact});
    if (!exact) result.rest.terms.push_back(term);
  }
  if (const std::optional<Dim> exact = exact_quotient(x.constant, divisor)) {
    result.quotient.constant = *exact;
  } else if (x.constant.is_constant() && divisor.is_constant()) {
    result.quotient.constant = floor_div(x.constant, divisor);
    result.rest.constant = mod(x.constant, divisor);
  } else {
    result.rest.constant = x.constant;
  }
  return result;
}

// The greatest common divisor of the coefficients and the divisor, where they are numbers; else 1.
int64_t common_factor(const Linear& x, const Dim& divisor) {
  if (!divisor.is_constant()) return 1;
  int64_t factor = divisor.value();
  for (const Linear::Term& term : x.terms) {
    if (!term.coefficient.is_constant()) return 1;
    factor = std::gcd(factor, term.coefficient.value());
  }
  return x.constant.is_constant() ? factor : 1;
}

Linear divided(const Linear& x, int64_t factor) {
  Linear result{{}, floor_div(x.constant, Dim(factor))};
  for (const Linear::Term& term : x.terms)
    result.terms.push_back({term.atom, floor_div(term.coefficient, Dim(factor))});
  return result;
}

Expr raw(ExprOp op, const Linear& x, const Dim& divisor) { return binary(op, to_expr(x), dim(divisor)); }

Expr floor_divide(const Expr& e, const VarRanges& ranges) {
  const std::optional<Dim> divisor = positive_divisor(e->args[1]);
  if (!divisor) return {};
  const Linear x = linear_of(e->args[0]);
  const auto [quotient, rest] = split(x, *divisor);
  if (proves_inside(range_of(rest, ranges), *divisor)) return to_expr(quotient);
  if (!quotient.terms.empty() || quotient.constant != Dim(0)) {
    return simplify(to_expr(quotient) + raw(ExprOp::kFloorDiv, rest, *divisor), ranges);
  }
  const int64_t factor = common_factor(x, *divisor);
  if (factor > 1)
    return simplify(raw(ExprOp::kFloorDiv, divided(x, factor), floor_div(*divisor, Dim(factor))), ranges);
  // floor(floor(y / a) / b) = floor(y / (a * b))
  const bool nested = x.terms.size() == 1 && x.constant == Dim(0) && x.terms[0].coefficient == Dim(1) &&
                      x.terms[0].atom->op == ExprOp::kFloorDiv;
  if (!nested) return {};
  const std::optional<Dim> inner = positive_divisor(x.terms[0].atom->args[1]);
  if (!inner) return {};
  return simplify(binary(ExprOp::kFloorDiv, x.terms[0].atom->args[0], dim(*inner * *divisor)), ranges);
}

Expr modulo(const Expr& e, const VarRanges& ranges) {
  const std::optional<Dim> divisor = positive_divisor(e->args[1]);
  if (!divisor) return {};
  const Linear x = linear_of(e->args[0]);
  const auto [quotient, rest] = split(x, *divisor);
  if (proves_inside(range_of(rest, ranges), *divisor)) return to_expr(rest);
  if (!quotient.terms.empty() || quotient.constant != Dim(0)) {
    return simplify(raw(ExprOp::kMod, rest, *divisor), ranges);
  }
  const int64_t factor = common_factor(x, *divisor);
  if (factor > 1) {
    const Expr inner = raw(ExprOp::kMod, divided(x, factor), floor_div(*divisor, Dim(factor)));
    return simplify(inner * integer(factor) + dim(mod(x.constant, Dim(factor))), ranges);
  }
  // A term mod(y, k * divisor) may as well be y.
  Linear unwrapped = x;
  for (const Linear::Term& term : x.terms) {
    if (term.atom->op != ExprOp::kMod) continue;
    const std::optional<Dim> inner = positive_divisor(term.atom->args[1]);
    if (!inner || !exact_quotient(*inner, *divisor)) continue;
    unwrapped = x - Linear{{term}, Dim(0)} + linear_of(term.atom->args[0]) * term.coefficient;
    return simplify(raw(ExprOp::kMod, unwrapped, *divisor), ranges);
  }
  return {};
}

// Truncation is flooring where nothing is negative.
Expr truncate_division(const Expr& e, const VarRanges& ranges) {
  if (!is_index(e) || !positive_divisor(e->args[1])) return {};
  const Interval range = range_of(e->args[0], ranges);
  if (!range.low || !proves_non_negative(*range.low)) return {};
  const bool quotient = e->op == ExprOp::kDiv;
  return simplify(binary(quotient ? ExprOp::kFloorDiv : ExprOp::kMod, e->args[0], e->args[1]), ranges);
}

// ---- What ranges decide ----

Expr compare(const Expr& e, const VarRanges& ranges) {
  if (!is_index(e->args[0])) return {};
  const Linear difference = linear_of(e->args[0]) - linear_of(e->args[1]);
  const Interval range = range_of(difference, ranges);
  const bool below = range.high && proves_less_equal(*range.high, Dim(-1));
  const bool above = range.low && proves_less_equal(Dim(1), *range.low);
  const bool not_above = below || (range.high && proves_less_equal(*range.high, Dim(0)));
  const bool not_below = above || (range.low && proves_non_negative(*range.low));
  const bool zero = not_above && not_below;
  switch (e->op) {
    case ExprOp::kLt:
      return below ? boolean(true) : not_below ? boolean(false) : Expr();
    case ExprOp::kLe:
      return not_above ? boolean(true) : above ? boolean(false) : Expr();
    case ExprOp::kGt:
      return above ? boolean(true) : not_above ? boolean(false) : Expr();
    case ExprOp::kGe:
      return not_below ? boolean(true) : below ? boolean(false) : Expr();
    case ExprOp::kEq:
      return zero ? boolean(true) : below || above ? boolean(false) : Expr();
    case ExprOp::kNe:
      return zero ? boolean(false) : below || above ? boolean(true) : Expr();
    default:
      return {};
  }
}

Expr extremum(const Expr& e, const VarRanges& ranges) {
  if (same(e->args[0], e->args[1])) return e->args[0];
  if (!is_index(e)) return {};
  const Interval range = range_of(linear_of(e->args[0]) - linear_of(e->args[1]), ranges);
  const bool minimum = e->op == ExprOp::kMin;
  if (range.high && proves_less_equal(*range.high, Dim(0))) return e->args[minimum ? 0 : 1];
  if (range.low && proves_non_negative(*range.low)) return e->args[minimum ? 1 : 0];
  return {};
}

// ---- Selection ----

Expr select_negated(const Expr& e, const VarRanges&) {
  const Expr& condition = e->args[0];
  return condition->op == ExprOp::kNot ? select(condition->args[0], e->args[2], e->args[1]) : Expr();
}

Expr select_of_bools(const Expr& e, const VarRanges&) {
  if (e.type() != DType::kBool) return {};
  return is_int(e->args[1], 1) && is_int(e->args[2], 0) ? e->args[0] : Expr();
}

// ---- Casts ----

bool holds_all_of(DType wide, DType narrow) {
  if (wide == narrow) return true;
  if (narrow == DType::kBool) return true;
  const int wide_bits = bit_width(wide), narrow_bits = bit_width(narrow);
  if (is_integer(narrow) && is_integer(wide)) {
    if (is_signed(narrow) && !is_signed(wide)) return false;
    return wide_bits > narrow_bits || (wide_bits == narrow_bits && is_signed(wide) == is_signed(narrow));
  }
  if (is_integer(narrow) && wide == DType::kFloat) return narrow_bits <= 16;
  if (is_integer(narrow) && wide == DType::kDouble) return narrow_bits <= 32;
  if (is_float(narrow) && wide == DType::kFloat) return narrow_bits <= 16;
  return is_float(narrow) && wide == DType::kDouble;
}

// The type in the middle of two casts does not matter if it holds every value of the first.
Expr cast_of_cast(const Expr& e, const VarRanges&) {
  const Expr& inner = e->args[0];
  if (inner->op != ExprOp::kCast) return {};
  const DType first = inner->args[0].type(), middle = inner.type();
  // Float to integer saturates where integer to integer wraps.
  const bool saturates = is_integer(first) && is_float(middle) && is_integer(e->type);
  if (!holds_all_of(middle, first) || (saturates && !holds_all_of(e->type, first))) return {};
  return cast(inner->args[0], e->type);
}

// ---- Floats ----

Expr float_identity(const Expr& e, const VarRanges&) {
  if (!is_real(e.type())) return {};
  const Expr &a = e->args[0], &b = e->args[1];
  switch (e->op) {
    case ExprOp::kMul:
      return is_float_constant(b, 1) ? a : is_float_constant(a, 1) ? b : Expr();
    case ExprOp::kDiv:
      return is_float_constant(b, 1) ? a : Expr();
    case ExprOp::kSub:
      return is_float_constant(b, 0) ? a : Expr();
    case ExprOp::kAdd:
      return is_float_constant(b, -0.0) ? a : is_float_constant(a, -0.0) ? b : Expr();
    default:
      return {};
  }
}

// Division by a power of two is multiplication by its inverse, exactly.
Expr divide_by_power(const Expr& e, const VarRanges&) {
  const DType type = e.type();
  if ((type != DType::kFloat && type != DType::kDouble) || e->args[1]->op != ExprOp::kFloat) return {};
  const double divisor = e->args[1]->real;
  int exponent = 0;
  const bool power = std::fabs(std::frexp(divisor, &exponent)) == 0.5;
  return power && std::abs(exponent) < 100 ? e->args[0] * real(1.0 / divisor, type) : Expr();
}

Expr power_of_constant(const Expr& e, const VarRanges&) {
  if (!is_real(e.type())) return {};
  if (is_float_constant(e->args[1], 1)) return e->args[0];
  if (is_float_constant(e->args[1], 2)) return e->args[0] * e->args[0];
  return {};
}

constexpr SimplifyRule kRules[] = {
    {ExprOp::kAdd, "sum", normalize_sum},
    {ExprOp::kSub, "sum", normalize_sum},
    {ExprOp::kMul, "sum", normalize_sum},
    {ExprOp::kNeg, "sum", normalize_sum},
    {ExprOp::kFloorDiv, "floordiv", floor_divide},
    {ExprOp::kMod, "mod", modulo},
    {ExprOp::kDiv, "div-is-floordiv", truncate_division},
    {ExprOp::kTruncMod, "truncmod-is-mod", truncate_division},
    {ExprOp::kLt, "compare", compare},
    {ExprOp::kLe, "compare", compare},
    {ExprOp::kGt, "compare", compare},
    {ExprOp::kGe, "compare", compare},
    {ExprOp::kEq, "compare", compare},
    {ExprOp::kNe, "compare", compare},
    {ExprOp::kMin, "min", extremum},
    {ExprOp::kMax, "max", extremum},
    {ExprOp::kSelect, "select-not", select_negated},
    {ExprOp::kSelect, "select-bool", select_of_bools},
    {ExprOp::kCast, "cast-of-cast", cast_of_cast},
    {ExprOp::kAdd, "float-identity", float_identity},
    {ExprOp::kSub, "float-identity", float_identity},
    {ExprOp::kMul, "float-identity", float_identity},
    {ExprOp::kDiv, "float-identity", float_identity},
    {ExprOp::kDiv, "divide-by-power-of-two", divide_by_power},
    {ExprOp::kPow, "pow", power_of_constant},
};

}  // namespace

std::span<const SimplifyRule> simplify_rules() { return kRules; }

Expr simplify(const Expr& e, const VarRanges& ranges) {
  return rewrite(e, [&ranges](const Expr& x) {
    Expr current = x;
    bool changed = false;
    // A rule that fires hands its result to the rules of the new operation; every one makes the expression
    // smaller or brings it into normal form, so this ends.
    for (bool again = true; again;) {
      again = false;
      for (const SimplifyRule& rule : kRules) {
        if (rule.op != current->op) continue;
        if (const Expr replaced = rule.apply(current, ranges)) {
          current = replaced;
          again = changed = true;
          break;
        }
      }
    }
    return changed ? current : Expr();
  });
}

namespace {

void drop_constant_branches(Block& block) {
  Block result;
  for (Stmt& stmt : block) {
    if (auto* loop = std::get_if<For>(&stmt.node)) drop_constant_branches(loop->body);
    auto* branch = std::get_if<If>(&stmt.node);
    if (branch == nullptr) {
      result.push_back(std::move(stmt));
      continue;
    }
    drop_constant_branches(branch->then_body);
    if (branch->condition->op != ExprOp::kInt) {
      result.push_back(std::move(stmt));
    } else if (branch->condition->integer != 0) {
      for (Stmt& inner : branch->then_body) result.push_back(std::move(inner));
    }
  }
  block = std::move(result);
}

}  // namespace

void simplify(Block& block, VarRanges ranges) {
  add_ranges(block, ranges);
  rewrite_exprs(block, [&](const Expr& e) { return simplify(e, ranges); });
  drop_constant_branches(block);
}

void simplify(Kernel& kernel) {
  const VarRanges ranges = ranges_of(kernel);
  rewrite_exprs(kernel, [&](const Expr& e) { return simplify(e, ranges); });
  if (auto* nest = std::get_if<LoopNest>(&kernel.body)) drop_constant_branches(nest->body);
}

}  // namespace dlc::ir
