// Bounds of Dims over all bindings of their symbols.
#include <algorithm>

#include "ir/dim.h"

namespace dlc::ir {
namespace {

// Closed; nothing where unbounded.
struct Range {
  std::optional<int64_t> low;
  std::optional<int64_t> high;
};

std::optional<int64_t> add(std::optional<int64_t> a, std::optional<int64_t> b) {
  int64_t result;
  if (!a || !b || __builtin_add_overflow(*a, *b, &result)) return std::nullopt;
  return result;
}

std::optional<int64_t> mul(std::optional<int64_t> a, std::optional<int64_t> b) {
  if ((a && *a == 0) || (b && *b == 0)) return 0;
  int64_t result;
  if (!a || !b || __builtin_mul_overflow(*a, *b, &result)) return std::nullopt;
  return result;
}

// Of non-negative factors only; anything else is unbounded.
Range multiply(const Range& a, const Range& b) {
  if (!a.low || !b.low || *a.low < 0 || *b.low < 0) return {};
  return {mul(a.low, b.low), mul(a.high, b.high)};
}

Range scale(const Range& a, int64_t c) {
  if (c >= 0) return {mul(a.low, c), mul(a.high, c)};
  return {mul(a.high, c), mul(a.low, c)};
}

Range range_of(const Dim& a);

std::optional<int64_t> floor_quotient(std::optional<int64_t> a, int64_t c) {
  if (!a) return std::nullopt;
  return *a / c - (*a % c < 0 ? 1 : 0);
}

Range range_of_quotient(const Dim& a, const Dim& b) {
  Range numerator = range_of(a);
  if (b.is_constant() && b.value() > 0) {
    return {floor_quotient(numerator.low, b.value()), floor_quotient(numerator.high, b.value())};
  }
  Range denominator = range_of(b);
  bool positive = numerator.low && *numerator.low >= 0 && denominator.low && *denominator.low >= 0;
  return positive ? Range{0, numerator.high} : Range{};
}

// Of two optional numbers, the lesser (greater) of those that are known.
std::optional<int64_t> known_min(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b ? std::min(*a, *b) : (a ? a : b);
}
std::optional<int64_t> known_max(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b ? std::max(*a, *b) : (a ? a : b);
}
// The lesser (greater) if both are known.
std::optional<int64_t> both_min(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b ? std::optional(std::min(*a, *b)) : std::nullopt;
}
std::optional<int64_t> both_max(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b ? std::optional(std::max(*a, *b)) : std::nullopt;
}

Range range_of_atom(const Dim::Atom& atom) {
  if (atom.function == DimFunction::kSymbol) {
    return atom.symbol.starts_with('$') ? Range{} : Range{0, std::nullopt};
  }
  if (atom.function == DimFunction::kFloorDiv) return range_of_quotient(atom.args[0], atom.args[1]);
  Range a = range_of(atom.args[0]);
  Range b = range_of(atom.args[1]);
  if (atom.function == DimFunction::kMin) return {both_min(a.low, b.low), known_min(a.high, b.high)};
  if (atom.function == DimFunction::kMax) return {known_max(a.low, b.low), both_max(a.high, b.high)};
  // A broadcast is one of the two.
  return {both_min(a.low, b.low), both_max(a.high, b.high)};
}

Range range_of(const Dim& a) {
  Range sum{a.constant_term(), a.constant_term()};
  for (const Dim::Term& term : a.terms()) {
    Range product{1, 1};
    for (const Dim::AtomRef& atom : term.atoms) {
      Range factor = range_of_atom(*atom);
      product = term.atoms.size() == 1 ? factor : multiply(product, factor);
    }
    Range scaled = scale(product, term.coefficient);
    sum = {add(sum.low, scaled.low), add(sum.high, scaled.high)};
  }
  return sum;
}

}  // namespace

std::optional<int64_t> lower_bound(const Dim& a) { return range_of(a).low; }
std::optional<int64_t> upper_bound(const Dim& a) { return range_of(a).high; }

}  // namespace dlc::ir
