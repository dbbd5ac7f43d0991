// Scales, zero points and rounding that quantised operators share.
#pragma once

#include "ir/ops/lower_util.h"

namespace dlc::ir {

// Types of quantised elements: integers of 2 to 16 bits, floats of 4 and 8 bits (E8M0 is a type of scales).
bool is_quantized(DType type);
// Integers of 8 bits.
bool is_byte(DType type);

// Error naming the input unless its elements are bytes; unless they have the type of another input's, if it
// is there at all.
void require_bytes(const InferContext& context, size_t input);
void require_type_of(const InferContext& context, size_t input, size_t like);

// The nearest quantised value: an integer is rounded to even before the zero point is added, then saturates;
// NaN becomes 0. `value` is of float32 or float64; the zero point, of any type, may be empty.
Expr quantized(const Expr& value, const Expr& zero_point, DType type, bool saturates = true);
// A quantised element without its zero point, as float32.
Expr centered(const Expr& element, const Expr& zero_point);

// The element of a vector along an axis of `target` elements, at a position of it; the vector may also have
// one element for all.
Expr element_along(LowerContext& context, size_t input, const Dim& target, const Expr& position);
// Whether an input has one element whatever the symbols are.
bool is_single(const Shape& shape);

}  // namespace dlc::ir
