// What operators on quantised tensors share that are defined by what they do to the numbers these stand for.
#pragma once

#include "ir/builder.h"
#include "ir/op.h"

namespace dlc::ir {

// Operands lie at three inputs in a row: bytes, their scale and their zero point (absent: 0), of one element
// each. A result's scale and zero point lie at two.

// Error naming the input that is no such thing.
void check_operand(const InferContext& context, size_t first);
void check_result(const InferContext& context, size_t scale, DType type);

// A scale or zero point as a scalar; null where the input is absent.
Value* parameter(Builder& builder, const Node& node, size_t input);
// The numbers of an operand, float32.
Value* dequantized(Builder& builder, const Node& node, size_t first);
// Numbers as bytes of a result.
Value* quantized(Builder& builder, const Node& node, Value* numbers, size_t scale, DType type);

// An operand less its zero point, int32.
Value* centered(Builder& builder, const Node& node, size_t first);
// Multiples of a result's scale as bytes, rounded after the zero point is added: of an odd one, numbers in
// the middle between two bytes go to the other one than quantized() takes.
Value* rounded_with_zero_point(Builder& builder, const Node& node, Value* multiples, size_t scale,
                               DType type);

// The nearest byte.
Value* rounded(Builder& builder, Value* number, DType type);

}  // namespace dlc::ir
