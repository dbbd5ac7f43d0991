// How far results may be from the exact ones, operator by operator. tests/numeric/accuracy_test.cpp measures.
//
// float16 and bfloat16 are computed in float32 and rounded once: hardly more than a half. float32 is computed
// by the polynomials of passes/expand_math.h or by libm, float64 by libm.
#include "ir/ops/families.h"

namespace dlc::ir {
namespace {

struct Row {
  const char* name;  // of ai.onnx
  ErrorBounds bounds;
};

constexpr Row kRows[] = {
    {"Abs", {.f32 = 0, .f64 = 0, .f16 = 0, .bf16 = 0}},
    {"Neg", {.f32 = 0, .f64 = 0, .f16 = 0, .bf16 = 0}},
    {"Relu", {.f32 = 0, .f64 = 0, .f16 = 0, .bf16 = 0}},
    {"Mod", {.f32 = 0, .f64 = 0, .f16 = 0, .bf16 = 0}},
    {"Add", {.f32 = 0.5, .f64 = 0.5, .f16 = 0.5, .bf16 = 0.5}},
    {"Sub", {.f32 = 0.5, .f64 = 0.5, .f16 = 0.5, .bf16 = 0.5}},
    {"Mul", {.f32 = 0.5, .f64 = 0.5, .f16 = 0.5, .bf16 = 0.5}},
    {"Div", {.f32 = 0.5, .f64 = 0.5, .f16 = 0.5, .bf16 = 0.5}},
    {"Sqrt", {.f32 = 0.5, .f64 = 0.5, .f16 = 0.5, .bf16 = 0.5}},
    {"Reciprocal", {.f32 = 0.5, .f64 = 0.5, .f16 = 0.5, .bf16 = 0.5}},
    {"LeakyRelu", {.f32 = 0.5, .f64 = 0.5, .f16 = 0.51, .bf16 = 0.51}},
    {"PRelu", {.f32 = 0.5, .f64 = 0.5, .f16 = 0.5, .bf16 = 0.5}},
    {"Pow", {.f32 = 0.6, .f64 = 0.6, .f16 = 0.51, .bf16 = 0.51}},
    {"Exp", {.f32 = 1.2, .f64 = 0.6, .f16 = 0.51, .bf16 = 0.51}},
    {"Log", {.f32 = 1, .f64 = 0.6, .f16 = 0.51, .bf16 = 0.51}},
    {"Sin", {.f32 = 0.6, .f64 = 0.6, .f16 = 0.51, .bf16 = 0.51}},
    {"Cos", {.f32 = 0.6, .f64 = 0.6, .f16 = 0.51, .bf16 = 0.51}},
    {"Tan", {.f32 = 0.9, .f64 = 0.6, .f16 = 0.51, .bf16 = 0.51}},
    {"Asin", {.f32 = 0.9, .f64 = 0.6, .f16 = 0.51, .bf16 = 0.51}},
    {"Acos", {.f32 = 0.9, .f64 = 0.6, .f16 = 0.51, .bf16 = 0.51}},
    {"Atan", {.f32 = 0.9, .f64 = 0.6, .f16 = 0.51, .bf16 = 0.51}},
    {"Sinh", {.f32 = 2.5, .f64 = 2, .f16 = 0.51, .bf16 = 0.51}},
    {"Cosh", {.f32 = 2, .f64 = 1.2, .f16 = 0.51, .bf16 = 0.51}},
    {"Tanh", {.f32 = 1.5, .f64 = 2.2, .f16 = 0.51, .bf16 = 0.51}},
    {"Asinh", {.f32 = 1.8, .f64 = 1.8, .f16 = 0.51, .bf16 = 0.51}},
    {"Acosh", {.f32 = 2.2, .f64 = 2.2, .f16 = 0.51, .bf16 = 0.51}},
    {"Atanh", {.f32 = 1.8, .f64 = 1.8, .f16 = 0.51, .bf16 = 0.51}},
    {"Erf", {.f32 = 1.1, .f64 = 1, .f16 = 0.51, .bf16 = 0.51}},
    {"Sigmoid", {.f32 = 2.2, .f64 = 2.2, .f16 = 0.51, .bf16 = 0.51}},
    {"Softplus", {.f32 = 2.6, .f64 = 2.6, .f16 = 0.51, .bf16 = 0.51}},
    {"Softsign", {.f32 = 1.6, .f64 = 1.6, .f16 = 0.51, .bf16 = 0.51}},
    {"Mish", {.f32 = 3.2, .f64 = 3.2, .f16 = 0.51, .bf16 = 0.51}},
    {"Swish", {.f32 = 2.5, .f64 = 2.5, .f16 = 0.51, .bf16 = 0.51}},
    {"Gelu", {.f32 = 1.5, .f64 = 1.5, .f16 = 0.51, .bf16 = 0.51, .unit_at = 1}},
    {"HardSwish", {.f32 = 1.2, .f64 = 1.2, .f16 = 0.51, .bf16 = 0.51, .unit_at = 1}},
    {"HardSigmoid", {.f32 = 0.5, .f64 = 0.5, .f16 = 0.3, .bf16 = 0.3, .unit_at = 1}},
    {"Elu", {.f32 = 0.5, .f64 = 0.5, .f16 = 0.3, .bf16 = 0.3, .unit_at = 1}},
    {"Celu", {.f32 = 0.5, .f64 = 0.5, .f16 = 0.3, .bf16 = 0.3, .unit_at = 1}},
    {"Selu", {.f32 = 1.8, .f64 = 1.8, .f16 = 0.51, .bf16 = 0.51, .unit_at = 1}},
    {"Softmax", {.f32 = 2.3, .f64 = 2.3, .f16 = 0.3, .bf16 = 0.3, .unit_at = 1}},
    {"LogSoftmax", {.f32 = 2.3, .f64 = 2.3, .f16 = 0.51, .bf16 = 0.51, .unit_at = 1}},
};

}  // namespace

void attach_error_bounds(OpRegistry& registry) {
  for (const Row& row : kRows) registry.set_errors("", row.name, row.bounds);
}

}  // namespace dlc::ir
