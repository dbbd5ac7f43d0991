#pragma once

#include "ir/kernel/kernel.h"
#include "passes/options.h"

namespace dlc::passes {

// Replaces opaque math functions of float32 (and of smaller floats, which compute in float32) by polynomials
// that vectorise. Functions of double, and those without an expansion here, stay opaque and become calls of
// libm.
//
// Largest errors against the exact result, in units in the last place of float32: exp 1.2, exp2 1.2, log 1.0,
// log2 2, tanh 1.5, erf 1.1, sinh and cosh 3. pow with the exponents 2, 3, 4, 0.5, -0.5, 1, -1 becomes
// arithmetic. Reference mode leaves everything to libm.
void expand_math(ir::Program& program, const Options& options);

// One expression; public for its tests.
ir::Expr expand_math(const ir::Expr& e);

// e^x for x <= 0 or NaN. In float it is within 1.2 units in the last place, and 0 where it would leave the
// range of normal numbers.
ir::Expr exp_of_nonpositive(const ir::Expr& x);

}  // namespace dlc::passes
