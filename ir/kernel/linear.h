// Linear forms of index expressions, and what is known of their values.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::ir {

// sum of coefficient * atom + constant. Atoms are distinct int64 expressions that are no sums, in one fixed
// order, so that equal forms print alike.
struct Linear {
  struct Term {
    Expr atom;
    Dim coefficient;
  };
  std::vector<Term> terms;
  Dim constant;
};

Linear linear_of(const Expr& e);  // of an int64 expression
Expr to_expr(const Linear& form);
Linear operator+(const Linear& a, const Linear& b);
Linear operator*(const Linear& a, const Dim& factor);
inline Linear operator-(const Linear& a, const Linear& b) { return a + b * Dim(-1); }

// Values from low to high, both included; nothing where unbounded.
struct Interval {
  std::optional<Dim> low;
  std::optional<Dim> high;
};
using VarRanges = std::map<VarId, Interval>;

Interval range_of(const Expr& e, const VarRanges& ranges);
Interval range_of(const Linear& form, const VarRanges& ranges);
// What the loops, the axes and the immutable lets of a kernel say of their variables. Variables are distinct
// within a kernel (the verifier sees to it).
VarRanges ranges_of(const Kernel& kernel);
void add_ranges(const Block& block, VarRanges& ranges);

bool proves_non_negative(const Dim& value);
inline bool proves_less_equal(const Dim& a, const Dim& b) { return proves_non_negative(b - a); }
// True if every value lies in [0, extent).
bool proves_inside(const Interval& range, const Dim& extent);

}  // namespace dlc::ir
