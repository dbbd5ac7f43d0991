// The gradient rules by family, and what they share.
//
// Conventions where a function has no derivative: Relu and Abs have 0 at 0; a function that is defined by
// cases has the derivative of the case that it takes; Clip passes the cotangent on at its limits; elements
// that tie for a maximum or minimum share the cotangent equally, those of a window give it to the first,
// which TopK and ArgMax count too. Functions that are constant by pieces (Floor, Round, Sign, ...) have 0
// everywhere.
#pragma once

#include <span>

#include "ir/gradient.h"
#include "ir/op.h"
#include "ir/term.h"

namespace dlc::ir {

struct GradientRule {
  const char* name;
  void (*rule)(GradientContext&);
  const char* domain = "";
};

std::span<const GradientRule> elementwise_gradients();
std::span<const GradientRule> activation_gradients();
std::span<const GradientRule> reduce_gradients();
std::span<const GradientRule> matmul_gradients();
std::span<const GradientRule> shape_gradients();
std::span<const GradientRule> movement_gradients();
std::span<const GradientRule> indexing_gradients();
std::span<const GradientRule> softmax_gradients();
std::span<const GradientRule> normalization_gradients();
std::span<const GradientRule> conv_gradients();
std::span<const GradientRule> pool_gradients();
std::span<const GradientRule> generator_gradients();
std::span<const GradientRule> attention_gradients();
std::span<const GradientRule> control_flow_gradients();
std::span<const GradientRule> image_gradients();
std::span<const GradientRule> signal_gradients();
std::span<const GradientRule> linear_algebra_gradients();
std::span<const GradientRule> quantization_gradients();

// Rules in a file of their own.
void einsum_gradient(GradientContext& context);

// Gives the operators of the registry their rules.
void attach_gradients(OpRegistry& registry);

// ---- For rules --------------------------------------------------------------------------------------------

inline Term input(GradientContext& context, size_t i) { return {context.builder(), context.input(i)}; }
inline Term output(GradientContext& context, size_t i = 0) { return {context.builder(), context.output(i)}; }
// Requires that it is there.
inline Term grad(GradientContext& context, size_t i = 0) { return {context.builder(), context.grad(i)}; }

// An adjoint operator of the dlc domain, with the attributes of the node and the extents of its input 0 as
// `dims`.
Term adjoint(GradientContext& context, std::string_view op, std::vector<Value*> inputs);

// The cotangent is zero: the function is constant by pieces.
inline void no_gradient(GradientContext&) {}

}  // namespace dlc::ir
