// Matrix products and Einsum.
#include <algorithm>
#include <numeric>

#include "ir/ops/einsum.h"
#include "ir/ops/gradients/rules.h"

namespace dlc::ir {
namespace {

Term matmul(const Term& a, const Term& b) { return a.apply("MatMul", {b}); }

// [rows, columns] of [batch..., rows, columns].
Term flattened(const Term& x) {
  const Shape& shape = x.shape();
  return reshape(x, {product(Shape(shape.begin(), shape.end() - 1)), shape.back()});
}

// Of the factors of y = a b, of rank 2 or more.
Term left_cotangent(const Term& b, const Term& dy) { return matmul(dy, transpose_matrices(b)); }

// The rows of all batches are one matrix for a b that has no batch.
Term right_cotangent(const Term& a, const Term& dy, size_t rank) {
  if (rank > 2) return matmul(transpose_matrices(a), dy);
  return matmul(transpose_matrices(flattened(a)), flattened(dy));
}

// Vectors are matrices of one row (left) or column (right).
void matmul_gradient(GradientContext& context) {
  Term a = input(context, 0);
  Term b = input(context, 1);
  Shape a_shape = a.shape();
  Shape b_shape = b.shape();
  Shape y_shape = output(context).shape();
  if (a_shape.size() == 1) {
    a_shape.insert(a_shape.begin(), 1);
    y_shape.insert(y_shape.end() - (b_shape.size() == 1 ? 0 : 1), 1);
  }
  if (b_shape.size() == 1) {
    b_shape.emplace_back(1);
    y_shape.emplace_back(1);
  }
  Term dy = reshape(grad(context), y_shape);
  Builder& builder = context.builder();
  auto set = [&](size_t i, const Term& d, const Shape& matrix) {
    context.set(i, reshape({builder, sum_to(builder, d, matrix)}, context.input(i)->shape()));
  };
  if (context.wants(0)) set(0, left_cotangent(reshape(b, b_shape), dy), a_shape);
  if (context.wants(1)) set(1, right_cotangent(reshape(a, a_shape), dy, b_shape.size()), b_shape);
}

bool flag(const Node& node, const char* name) { return node.attribute<int64_t>(name, 0) != 0; }

// Stored axes in the order [batch..., rows, columns].
std::vector<int64_t> logical_axes(const Node& node, size_t rank, const char* transposed, const char* batch) {
  std::vector<int64_t> perm(rank);
  std::iota(perm.begin(), perm.end(), 0);
  if (rank < 2) return perm;
  if (flag(node, batch)) std::rotate(perm.begin(), perm.begin() + 1, perm.end() - 1);
  if (flag(node, transposed)) std::swap(perm[rank - 2], perm.back());
  return perm;
}

std::vector<int64_t> inverse(const std::vector<int64_t>& perm) {
  std::vector<int64_t> result(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) result[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  return result;
}

// Of com.microsoft: the factors may be stored transposed.
void fused_matmul_gradient(GradientContext& context) {
  const Node& node = context.node();
  std::vector<int64_t> a_axes = logical_axes(node, context.input(0)->shape().size(), "transA", "transBatchA");
  std::vector<int64_t> b_axes = logical_axes(node, context.input(1)->shape().size(), "transB", "transBatchB");
  Term a = transpose(input(context, 0), a_axes);
  Term b = transpose(input(context, 1), b_axes);
  if (a.shape().size() < 2 || b.shape().size() < 2) context.fail("the derivative for vectors is not defined");
  Term dy = node.attribute<double>("alpha", 1.0) * grad(context);
  Builder& builder = context.builder();
  auto set = [&](size_t i, const Term& d, const Shape& matrix, const std::vector<int64_t>& axes) {
    context.set(i, transpose({builder, sum_to(builder, d, matrix)}, inverse(axes)));
  };
  if (context.wants(0)) set(0, left_cotangent(b, dy), a.shape(), a_axes);
  if (context.wants(1)) set(1, right_cotangent(a, dy, b.shape().size()), b.shape(), b_axes);
}

Term gemm(const Term& a, bool transpose_a, const Term& b, bool transpose_b, double alpha) {
  return a.apply("Gemm", {b},
                 {{"transA", int64_t{transpose_a}}, {"transB", int64_t{transpose_b}}, {"alpha", alpha}});
}

void gemm_gradient(GradientContext& context) {
  const Node& node = context.node();
  bool trans_a = flag(node, "transA");
  bool trans_b = flag(node, "transB");
  double alpha = node.attribute<double>("alpha", 1.0);
  double beta = node.attribute<double>("beta", 1.0);
  Term a = input(context, 0);
  Term b = input(context, 1);
  Term dy = grad(context);
  if (context.wants(0)) {
    context.set(0, trans_a ? gemm(b, trans_b, dy, true, alpha) : gemm(dy, false, b, !trans_b, alpha));
  }
  if (context.wants(1)) {
    context.set(1, trans_b ? gemm(dy, true, a, trans_a, alpha) : gemm(a, !trans_a, dy, false, alpha));
  }
  if (context.wants(2)) context.set(2, beta == 1 ? dy : beta * dy);
}

constexpr GradientRule kRules[] = {
    {"MatMul", matmul_gradient},
    {"FusedMatMul", fused_matmul_gradient, "com.microsoft"},
    {"Gemm", gemm_gradient},
    {"Einsum", einsum_gradient},
};

}  // namespace

std::span<const GradientRule> matmul_gradients() { return kRules; }

}  // namespace dlc::ir
