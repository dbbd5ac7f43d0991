#include "ir/dim.h"

#include <algorithm>
#include <numeric>

#include "runtime/error.h"

namespace dlc::ir {
namespace {

using Term = Dim::Term;
using AtomRef = Dim::AtomRef;

// Hostile models must not make expressions grow without limit.
constexpr size_t kMaxTerms = 4096;
constexpr size_t kMaxDegree = 64;

[[noreturn]] void overflow() { fail(ErrorKind::kModel, "an extent overflows 64 bits"); }

int64_t checked_add(int64_t a, int64_t b) {
  int64_t result;
  if (__builtin_add_overflow(a, b, &result)) overflow();
  return result;
}

int64_t checked_mul(int64_t a, int64_t b) {
  int64_t result;
  if (__builtin_mul_overflow(a, b, &result)) overflow();
  return result;
}

std::strong_ordering compare_atoms(const AtomRef& a, const AtomRef& b) {
  if (a == b) return std::strong_ordering::equal;
  if (auto order = a->function <=> b->function; order != 0) return order;
  if (auto order = a->symbol <=> b->symbol; order != 0) return order;
  for (size_t i = 0; i < a->args.size(); ++i) {
    if (auto order = a->args[i] <=> b->args[i]; order != 0) return order;
  }
  return std::strong_ordering::equal;
}

// A graded lexicographic order, leading monomial first. It is compatible with multiplication, which exact
// division of polynomials relies on.
std::strong_ordering compare_monomials(const std::vector<AtomRef>& a, const std::vector<AtomRef>& b) {
  if (auto order = b.size() <=> a.size(); order != 0) return order;
  for (size_t i = 0; i < a.size(); ++i) {
    if (auto order = compare_atoms(a[i], b[i]); order != 0) return order;
  }
  return std::strong_ordering::equal;
}

std::vector<AtomRef> multiply(const std::vector<AtomRef>& a, const std::vector<AtomRef>& b) {
  if (a.size() + b.size() > kMaxDegree) fail(ErrorKind::kModel, "a symbolic extent has too many factors");
  std::vector<AtomRef> result;
  result.reserve(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result),
             [](const AtomRef& x, const AtomRef& y) { return compare_atoms(x, y) < 0; });
  return result;
}

// a / b as multisets, if b is contained in a.
std::optional<std::vector<AtomRef>> divide(const std::vector<AtomRef>& a, const std::vector<AtomRef>& b) {
  std::vector<AtomRef> result;
  size_t j = 0;
  for (const AtomRef& atom : a) {
    if (j < b.size() && compare_atoms(atom, b[j]) == 0) {
      ++j;
    } else {
      result.push_back(atom);
    }
  }
  if (j < b.size()) return std::nullopt;
  return result;
}

int64_t divide_floor(int64_t a, int64_t b) {
  if (b == 0) fail(ErrorKind::kData, "a symbolic extent divides by zero");
  if (b == -1) return checked_mul(a, -1);
  int64_t quotient = a / b;
  return a % b != 0 && ((a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

// All terms, the constant as a term without atoms at the end.
std::vector<Term> all_terms(const Dim& a) {
  std::vector<Term> terms = a.terms();
  if (a.constant_term() != 0) terms.push_back({a.constant_term(), {}});
  return terms;
}

}  // namespace

class DimBuilder {
 public:
  // Sorts, merges equal monomials, drops zeros.
  static Dim from_terms(std::vector<Term> terms) {
    std::sort(terms.begin(), terms.end(),
              [](const Term& a, const Term& b) { return compare_monomials(a.atoms, b.atoms) < 0; });
    Dim result;
    for (Term& term : terms) {
      if (term.atoms.empty()) {
        result.constant_ = checked_add(result.constant_, term.coefficient);
      } else if (!result.terms_.empty() && compare_monomials(result.terms_.back().atoms, term.atoms) == 0) {
        int64_t& sum = result.terms_.back().coefficient;
        sum = checked_add(sum, term.coefficient);
        if (sum == 0) result.terms_.pop_back();
      } else if (term.coefficient != 0) {
        result.terms_.push_back(std::move(term));
      }
    }
    if (result.terms_.size() > kMaxTerms) fail(ErrorKind::kModel, "a symbolic extent has too many terms");
    return result;
  }

  static Dim from_atom(DimFunction function, std::string symbol, std::vector<Dim> args) {
    Dim result;
    auto atom = std::make_shared<const Dim::Atom>(Dim::Atom{function, std::move(symbol), std::move(args)});
    result.terms_.push_back({1, {std::move(atom)}});
    return result;
  }
};

namespace {

Dim function_of(DimFunction function, const Dim& a, const Dim& b) {
  return DimBuilder::from_atom(function, {}, {a, b});
}

// The greatest monomial that divides every term of both, with a positive coefficient.
Term common_factor(const Dim& a, const Dim& b) {
  std::vector<Term> terms = all_terms(a);
  for (Term& term : all_terms(b)) terms.push_back(std::move(term));
  Term result = terms.front();
  for (const Term& term : terms) {
    result.coefficient = std::gcd(result.coefficient, term.coefficient);
    std::vector<AtomRef> shared;
    std::set_intersection(result.atoms.begin(), result.atoms.end(), term.atoms.begin(), term.atoms.end(),
                          std::back_inserter(shared),
                          [](const AtomRef& x, const AtomRef& y) { return compare_atoms(x, y) < 0; });
    result.atoms = std::move(shared);
  }
  return result;
}

Dim divide_by_monomial(const Dim& a, const Term& divisor) {
  std::vector<Term> terms = all_terms(a);
  for (Term& term : terms) {
    term.coefficient /= divisor.coefficient;
    term.atoms = *divide(term.atoms, divisor.atoms);
  }
  return DimBuilder::from_terms(std::move(terms));
}

// a = quotient * c + remainder, every coefficient of the remainder in [0, c).
struct Division {
  Dim quotient;
  Dim remainder;
};
Division divide_by_constant(const Dim& a, int64_t c) {
  std::vector<Term> quotient = all_terms(a);
  std::vector<Term> remainder = quotient;
  for (size_t i = 0; i < quotient.size(); ++i) {
    quotient[i].coefficient = divide_floor(quotient[i].coefficient, c);
    remainder[i].coefficient -= quotient[i].coefficient * c;
  }
  return {DimBuilder::from_terms(std::move(quotient)), DimBuilder::from_terms(std::move(remainder))};
}

// floor(r / c) for c > 1 and coefficients of r in [0, c).
Dim floor_div_reduced(const Dim& r, int64_t c) {
  if (r.is_constant()) return 0;
  // floor((g*x + k) / (g*c')) = floor((x + floor(k/g)) / c')
  int64_t g = c;
  for (const Term& term : r.terms()) g = std::gcd(g, term.coefficient);
  if (g > 1) {
    Dim x = divide_by_monomial(r - r.constant_term(), {g, {}});
    return floor_div(x + divide_floor(r.constant_term(), g), c / g);
  }
  // floor((floor(x/d) + k) / c) = floor((x + k*d) / (c*d)) for d > 0
  if (r.terms().size() == 1 && r.terms()[0].coefficient == 1 && r.terms()[0].atoms.size() == 1) {
    const Dim::Atom& atom = *r.terms()[0].atoms[0];
    if (atom.function == DimFunction::kFloorDiv && atom.args[1].is_constant() && atom.args[1].value() > 0) {
      const Dim& d = atom.args[1];
      return floor_div(atom.args[0] + r.constant_term() * d, c * d);
    }
  }
  return function_of(DimFunction::kFloorDiv, r, c);
}

// a = quotient * b + remainder, where terms of a that are multiples of the leading term of b are divided out.
Division divide_by_polynomial(const Dim& a, const Dim& b) {
  const Term lead = all_terms(b).front();
  Division result{0, 0};
  Dim rest = a;
  while (!(rest == Dim(0))) {
    Term term = all_terms(rest).front();
    auto atoms = divide(term.atoms, lead.atoms);
    if (atoms && term.coefficient % lead.coefficient == 0) {
      Dim q = DimBuilder::from_terms({{term.coefficient / lead.coefficient, *std::move(atoms)}});
      result.quotient += q;
      rest = rest - q * b;
    } else {
      Dim moved = DimBuilder::from_terms({std::move(term)});
      result.remainder += moved;
      rest = rest - moved;
    }
  }
  return result;
}

}  // namespace

Dim::Dim(int64_t value) : constant_(value) {}

Dim Dim::symbol(std::string name) {
  check(!name.empty(), "a symbol has a name");
  return DimBuilder::from_atom(DimFunction::kSymbol, std::move(name), {});
}

int64_t Dim::value() const {
  check(is_constant(), "the extent is a constant");
  return constant_;
}

std::optional<int64_t> Dim::constant() const {
  return is_constant() ? std::optional(constant_) : std::nullopt;
}

bool Dim::is_symbol() const {
  return constant_ == 0 && terms_.size() == 1 && terms_[0].coefficient == 1 && terms_[0].atoms.size() == 1 &&
         terms_[0].atoms[0]->function == DimFunction::kSymbol;
}

const std::string& Dim::symbol_name() const {
  check(is_symbol(), "the extent is a symbol");
  return terms_[0].atoms[0]->symbol;
}

Dim operator+(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return checked_add(a.constant_, b.constant_);
  std::vector<Term> terms = all_terms(a);
  for (Term& term : all_terms(b)) terms.push_back(std::move(term));
  return DimBuilder::from_terms(std::move(terms));
}

Dim operator-(const Dim& a, const Dim& b) { return a + b * Dim(-1); }

Dim operator*(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return checked_mul(a.constant_, b.constant_);
  std::vector<Term> left = all_terms(a);
  std::vector<Term> right = all_terms(b);
  if (left.size() * right.size() > kMaxTerms) fail(ErrorKind::kModel, "a symbolic extent has too many terms");
  std::vector<Term> terms;
  terms.reserve(left.size() * right.size());
  for (const Term& x : left) {
    for (const Term& y : right) {
      terms.push_back({checked_mul(x.coefficient, y.coefficient), multiply(x.atoms, y.atoms)});
    }
  }
  return DimBuilder::from_terms(std::move(terms));
}

bool operator==(const Dim& a, const Dim& b) { return (a <=> b) == 0; }

std::strong_ordering operator<=>(const Dim& a, const Dim& b) {
  if (auto order = a.terms_.size() <=> b.terms_.size(); order != 0) return order;
  for (size_t i = 0; i < a.terms_.size(); ++i) {
    if (auto order = compare_monomials(a.terms_[i].atoms, b.terms_[i].atoms); order != 0) return order;
    if (auto order = a.terms_[i].coefficient <=> b.terms_[i].coefficient; order != 0) return order;
  }
  return a.constant_ <=> b.constant_;
}

Dim floor_div(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return divide_floor(a.value(), b.value());
  if (b.is_constant()) {
    int64_t c = b.value();
    if (c == 0) fail(ErrorKind::kModel, "a symbolic extent divides by zero");
    if (c < 0) return floor_div(-a, checked_mul(c, -1));
    Division division = divide_by_constant(a, c);
    return division.quotient + floor_div_reduced(division.remainder, c);
  }
  if (a == Dim(0)) return 0;
  Division division = divide_by_polynomial(a, b);
  if (division.remainder == Dim(0)) return division.quotient;
  if (all_terms(b).size() > 1) division = {0, a};
  Term factor = common_factor(division.remainder, b);
  if (factor.coefficient != 1 || !factor.atoms.empty()) {
    return division.quotient +
           floor_div(divide_by_monomial(division.remainder, factor), divide_by_monomial(b, factor));
  }
  return division.quotient + function_of(DimFunction::kFloorDiv, division.remainder, b);
}

Dim ceil_div(const Dim& a, const Dim& b) {
  auto low = lower_bound(b);
  return low && *low >= 0 ? floor_div(a + b - 1, b) : -floor_div(-a, b);
}

Dim mod(const Dim& a, const Dim& b) { return a - b * floor_div(a, b); }

Dim min(const Dim& a, const Dim& b) {
  if (auto low = lower_bound(b - a); low && *low >= 0) return a;
  if (auto low = lower_bound(a - b); low && *low >= 0) return b;
  return a < b ? function_of(DimFunction::kMin, a, b) : function_of(DimFunction::kMin, b, a);
}

Dim max(const Dim& a, const Dim& b) {
  if (auto low = lower_bound(a - b); low && *low >= 0) return a;
  if (auto low = lower_bound(b - a); low && *low >= 0) return b;
  return a < b ? function_of(DimFunction::kMax, a, b) : function_of(DimFunction::kMax, b, a);
}

namespace {

// The function that the value is; null for other polynomials.
const Dim::Atom* sole_atom(const Dim& a) {
  if (a.constant_term() != 0 || a.terms().size() != 1 || a.terms()[0].coefficient != 1) return nullptr;
  return a.terms()[0].atoms.size() == 1 ? a.terms()[0].atoms[0].get() : nullptr;
}

// True where `a` is broadcast(b, x) for some x, or broadcast of such.
bool absorbs(const Dim& a, const Dim& b) {
  if (a == b) return true;
  const Dim::Atom* atom = sole_atom(a);
  return atom != nullptr && atom->function == DimFunction::kBroadcast &&
         (absorbs(atom->args[0], b) || absorbs(atom->args[1], b));
}

}  // namespace

bool is_capped(const Dim& a, const Dim& b) {
  const Dim::Atom* atom = sole_atom(a);
  if (atom == nullptr || atom->function != DimFunction::kMin) return false;
  for (size_t i = 0; i < 2; ++i) {
    auto low = lower_bound(atom->args[1 - i]);
    if (atom->args[i] == b && low && *low >= 2) return true;
  }
  return false;
}

Dim broadcast(const Dim& a, const Dim& b) {
  if (a == Dim(1) || a == b) return b;
  if (b == Dim(1)) return a;
  if (a.is_constant() && b.is_constant()) {
    fail(ErrorKind::kModel, "extents {} and {} do not broadcast", a.value(), b.value());
  }
  if (absorbs(a, b) || is_capped(b, a)) return a;
  if (absorbs(b, a) || is_capped(a, b)) return b;
  // An extent that cannot be 1 decides; the other is 1 or equal to it.
  if (auto low = lower_bound(a); a.is_constant() || (low && *low >= 2)) return a;
  if (auto low = lower_bound(b); b.is_constant() || (low && *low >= 2)) return b;
  return a < b ? function_of(DimFunction::kBroadcast, a, b) : function_of(DimFunction::kBroadcast, b, a);
}

bool always_broadcasts(const Dim& from, const Dim& to) { return from == Dim(1) || absorbs(to, from); }

std::optional<Dim> divide_exact(const Dim& a, const Dim& b) {
  if (b == Dim(0)) return std::nullopt;
  Division division = divide_by_polynomial(a, b);
  if (division.remainder == Dim(0)) return division.quotient;
  return std::nullopt;
}

}  // namespace dlc::ir
