// Dim: a symbolic 64-bit integer, the extent of an axis or a number computed from extents.
//
// A Dim is a polynomial with integer coefficients over atoms. An atom is a named symbol ("batch") or one of
// the non-polynomial functions below applied to Dims. The polynomial is kept in one canonical form, so that
// equal expressions that differ only by commutativity, association or distribution compare equal. Arithmetic
// never assumes a sign; division rounds towards minus infinity. A symbol is an extent, hence not negative,
// unless its name begins with '$'; min, max, broadcast and lower_bound make use of that.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::ir {

enum class DimFunction : uint8_t {
  kSymbol,
  kFloorDiv,  // floor(a / b), b != 0
  kMin,
  kMax,
  kBroadcast,  // a where b == 1, b where a == 1, else both are equal (checked when the symbols are bound)
};

class Dim {
 public:
  struct Atom {
    DimFunction function;
    std::string symbol;     // of kSymbol
    std::vector<Dim> args;  // of the functions, two
  };
  using AtomRef = std::shared_ptr<const Atom>;
  // coefficient * product of atoms; atoms are sorted, a power repeats its atom.
  struct Term {
    int64_t coefficient;
    std::vector<AtomRef> atoms;
  };

  Dim(int64_t value = 0);  // NOLINT: a number is a Dim
  static Dim symbol(std::string name);

  bool is_constant() const { return terms_.empty(); }
  // Requires is_constant().
  int64_t value() const;
  std::optional<int64_t> constant() const;
  bool is_symbol() const;                  // exactly one symbol, coefficient 1
  const std::string& symbol_name() const;  // requires is_symbol()

  // Without the constant, from the highest degree to the lowest.
  const std::vector<Term>& terms() const { return terms_; }
  int64_t constant_term() const { return constant_; }

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  Dim operator-() const { return Dim(0) - *this; }
  Dim& operator+=(const Dim& other) { return *this = *this + other; }
  Dim& operator*=(const Dim& other) { return *this = *this * other; }

  // Structural equality of the canonical forms: true means equal for all bindings; false means not known
  // equal.
  friend bool operator==(const Dim& a, const Dim& b);
  // A total order on canonical forms, for maps and sorting; no numeric meaning.
  friend std::strong_ordering operator<=>(const Dim& a, const Dim& b);

  void collect_symbols(std::set<std::string>& out) const;
  bool uses_symbol(std::string_view name) const;
  Dim substitute(const std::map<std::string, Dim>& bindings) const;
  // Throws Error(kData) on an unbound symbol, overflow, division by zero or a broadcast of unequal extents.
  int64_t evaluate(const std::function<int64_t(const std::string&)>& value_of) const;
  size_t hash() const;

  // "2*sequence + 1", "floordiv(h + 1, 2) - 1", "`odd name` * 2"; parse() reads it back. parse() also takes
  // mod(a, b), ceildiv(a, b) and parentheses.
  std::string to_string() const;
  static Dim parse(std::string_view text);  // throws Error(kUsage)

 private:
  friend class DimBuilder;  // canonicalisation, in dim.cpp
  int64_t constant_ = 0;
  std::vector<Term> terms_;
};

// Each simplifies where the result is known: constants, equal operands, multiples of the divisor, common
// factors, bounds. A divisor that is zero when it is evaluated is an Error.
Dim floor_div(const Dim& a, const Dim& b);
Dim ceil_div(const Dim& a, const Dim& b);
Dim mod(const Dim& a, const Dim& b);  // a - b * floor_div(a, b)
Dim min(const Dim& a, const Dim& b);
Dim max(const Dim& a, const Dim& b);
Dim broadcast(const Dim& a, const Dim& b);  // Error(kModel) for constants that do not broadcast

// True where `from` is 1 or `to`, or `to` a broadcast of it, whatever the symbols are.
bool always_broadcasts(const Dim& from, const Dim& to);
// True where `a` is min(c, b) for a c that is at least 2: where the two broadcast they are equal.
bool is_capped(const Dim& a, const Dim& b);

// q with a == q * b as polynomials, if there is one and b is not the constant 0: a*b*c by b*c is a.
std::optional<Dim> divide_exact(const Dim& a, const Dim& b);

// What holds for all bindings of the symbols; nothing where no bound is known.
std::optional<int64_t> lower_bound(const Dim& a);
std::optional<int64_t> upper_bound(const Dim& a);

using Shape = std::vector<Dim>;

Dim product(const Shape& shape);
std::string to_string(const Shape& shape);  // "[batch, 3, 224, 224]"
bool is_static(const Shape& shape);
std::vector<int64_t> static_shape(const Shape& shape);  // requires is_static

}  // namespace dlc::ir
