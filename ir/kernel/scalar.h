// Evaluation of one scalar operation: what folding and the interpreter agree on.
#pragma once

#include "ir/kernel/expr.h"

namespace dlc::ir {

// A value of some DType, which its user knows. Integers and bool are in `integer`, wrapped to their type
// (uint64 by its bits); floats are in `real`, as a value that the type can hold.
union Scalar {
  int64_t integer = 0;
  double real;
};

inline Scalar scalar_of(int64_t value) { return Scalar{.integer = value}; }
inline Scalar scalar_of_real(double value) { return Scalar{.real = value}; }

// True for the types whose scalars are in `real`.
bool is_real(DType type);
// The value of an integer type (or bool: != 0) that has the same low bits.
int64_t wrap(DType type, int64_t value);
// The nearest value of a float type.
double round_to(DType type, double value);

// The value of `op` on arguments of type `argument` (of a select: its second and third), with result type
// `type`. Not for kInt, kFloat, kVar, kDim and kLoad. Integer division by zero gives 0, and shifts use the
// count modulo the width, so that folding never faults.
Scalar apply(ExprOp op, DType argument, DType type, const Scalar* args);

}  // namespace dlc::ir
