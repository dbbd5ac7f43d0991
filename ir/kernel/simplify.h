// Algebra on index and scalar expressions.
#pragma once

#include <span>
#include <string_view>

#include "ir/kernel/linear.h"

namespace dlc::ir {

// An equal expression in normal form: int64 sums are expanded and ordered, divisions by positive numbers are
// split off where the ranges of variables allow it, what is decided by ranges is a constant, casts that
// change nothing are gone. Values are kept bit by bit, floats included (but for the payload of NaN).
// Idempotent.
Expr simplify(const Expr& e, const VarRanges& ranges = {});

// All expressions of a kernel, with the ranges that its loops give; If statements of constant condition go.
void simplify(Kernel& kernel);
void simplify(Block& block, VarRanges ranges = {});

struct SimplifyRule {
  ExprOp op;
  std::string_view name;
  // The replacement of an expression whose arguments are simplified, or empty.
  Expr (*apply)(const Expr& e, const VarRanges& ranges);
};
std::span<const SimplifyRule> simplify_rules();

}  // namespace dlc::ir
