// MatMul, Gemm and FusedMatMul as contractions.
#include <algorithm>

#include "ir/ops/contract.h"
#include "ir/ops/einsum.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

// ---- Operands ---------------------------------------------------------------------------------------------

// How the stored axes of an operand of rank >= 2 become [batch..., rows, columns].
struct Storage {
  bool transposed = false;        // the last two axes are exchanged
  bool batch_transposed = false;  // the first axis comes behind the batch axes, before `transposed` applies
};

Storage storage_of(const Node& node, const char* transposed, const char* batch_transposed) {
  return {.transposed = node.attribute<int64_t>(transposed, 0) != 0,
          .batch_transposed = node.attribute<int64_t>(batch_transposed, 0) != 0};
}

// The shape or index [batch..., rows, columns] of a stored one.
template <class T>
std::vector<T> to_logical(std::vector<T> stored, const Storage& storage) {
  if (stored.size() < 2) return stored;
  if (storage.batch_transposed) std::rotate(stored.begin(), stored.begin() + 1, stored.end() - 1);
  if (storage.transposed) std::swap(stored[stored.size() - 2], stored.back());
  return stored;
}

template <class T>
std::vector<T> to_stored(std::vector<T> logical, const Storage& storage) {
  if (logical.size() < 2) return logical;
  if (storage.transposed) std::swap(logical[logical.size() - 2], logical.back());
  if (storage.batch_transposed) std::rotate(logical.begin(), logical.end() - 2, logical.end() - 1);
  return logical;
}

// The factors of a product of numpy's matmul: a vector has no rows (left) or no columns (right).
struct Factors {
  Shape a;  // [batch..., M, K] or [K]
  Shape b;  // [batch..., K, N] or [K]
  bool a_vector() const { return a.size() == 1; }
  bool b_vector() const { return b.size() == 1; }
  Shape a_batch() const { return a_vector() ? Shape{} : Shape(a.begin(), a.end() - 2); }
  Shape b_batch() const { return b_vector() ? Shape{} : Shape(b.begin(), b.end() - 2); }
  const Dim& k_of_a() const { return a.back(); }
  const Dim& k_of_b() const { return b_vector() ? b[0] : b[b.size() - 2]; }
};

// ---- MatMul -----------------------------------------------------------------------------------------------

struct Product {
  Factors factors;
  Storage a;
  Storage b;
};

Product product_of(const Node& node) {
  Product result;
  result.a = storage_of(node, "transA", "transBatchA");
  result.b = storage_of(node, "transB", "transBatchB");
  result.factors = {to_logical(node.input(0)->shape(), result.a),
                    to_logical(node.input(1)->shape(), result.b)};
  return result;
}

void infer_matmul(InferContext& context) {
  require_same_types(context, TypeClass::kNumeric);
  require_rank_at_least(context, 0, 1);
  require_rank_at_least(context, 1, 1);
  Factors factors = product_of(context.node()).factors;
  require_equal_extents(context, factors.k_of_a(), factors.k_of_b(), "inner dimensions");
  Shape shape = broadcast_shapes(context, factors.a_batch(), factors.b_batch());
  if (!factors.a_vector()) shape.push_back(factors.a[factors.a.size() - 2]);
  if (!factors.b_vector()) shape.push_back(factors.b.back());
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// An operand has a batch axis of the result if it does not repeat along it.
bool has_axis(const Shape& batch, size_t rank, size_t axis) {
  size_t missing = rank - batch.size();
  return axis >= missing && batch[axis - missing] != Dim(1);
}

// Axes of the result's batch: rows of A where B repeats, so that A's rows form one matrix.
Index batch_index(ContractionBuilder& builder, const Shape& batch, const Factors& factors) {
  Index result;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (batch[i] == Dim(1)) {
      result.push_back(integer(0));
    } else {
      bool in_b = has_axis(factors.b_batch(), batch.size(), i);
      result.push_back(builder.axis(batch[i], in_b ? AxisRole::kBatch : AxisRole::kM));
    }
  }
  return result;
}

Expr scaled(const Expr& value, double factor) {
  if (factor == 1) return value;
  if (is_float(value.type())) return value * constant(value.type(), factor);
  return cast(cast(value, DType::kDouble) * constant(DType::kDouble, factor), value.type());
}

void lower_matmul(LowerContext& context) {
  auto [factors, a, b] = product_of(context.node());
  check_equal(context, factors.k_of_a(), factors.k_of_b(), "inner dimensions");
  Shape batch = context.output_shape();
  batch.resize(batch.size() - (factors.a_vector() ? 0 : 1) - (factors.b_vector() ? 0 : 1));
  check_broadcast(context, factors.a_batch(), batch, "batch of input 0");
  check_broadcast(context, factors.b_batch(), batch, "batch of input 1");

  ContractionBuilder builder(context, context.input_type(0).dtype);
  Index out = batch_index(builder, batch, factors);
  Index a_index = broadcast_index(out, batch, factors.a_batch());
  Index b_index = broadcast_index(out, batch, factors.b_batch());
  if (!factors.a_vector()) {
    Expr m = builder.axis(factors.a[factors.a.size() - 2], AxisRole::kM);
    a_index.push_back(m);
    out.push_back(m);
  }
  Expr n;
  if (!factors.b_vector()) {
    n = builder.axis(factors.b.back(), AxisRole::kN);
    out.push_back(n);
  }
  Expr k = builder.axis(factors.k_of_a(), AxisRole::kK);
  a_index.push_back(k);
  b_index.push_back(k);
  if (n) b_index.push_back(n);
  builder.a(context.input(0), to_stored(a_index, a));
  builder.b(context.input(1), to_stored(b_index, b));
  double alpha = context.node().attribute<double>("alpha", 1.0);
  builder.finish(context.output(), out, scaled(builder.sum(), alpha));
}

// ---- Gemm -------------------------------------------------------------------------------------------------

void infer_gemm(InferContext& context) {
  require_same_types(context, TypeClass::kNumeric);
  require_rank(context, 0, 2);
  require_rank(context, 1, 2);
  Factors factors = product_of(context.node()).factors;
  require_equal_extents(context, factors.k_of_a(), factors.k_of_b(), "inner dimensions");
  Shape shape = {factors.a[0], factors.b[1]};
  if (context.has_input(2)) require_broadcasts_to(context, context.shape(2), shape, "input 2 (C)");
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void lower_gemm(LowerContext& context) {
  auto [factors, a, b] = product_of(context.node());
  const Shape& shape = context.output_shape();
  check_equal(context, factors.k_of_a(), factors.k_of_b(), "inner dimensions");
  ContractionBuilder builder(context, context.input_type(0).dtype);
  Expr m = builder.axis(shape[0], AxisRole::kM);
  Expr n = builder.axis(shape[1], AxisRole::kN);
  Expr k = builder.axis(factors.k_of_a(), AxisRole::kK);
  builder.a(context.input(0), to_stored(Index{m, k}, a));
  builder.b(context.input(1), to_stored(Index{k, n}, b));
  Expr result = scaled(builder.sum(), context.node().attribute<double>("alpha", 1.0));
  double beta = context.node().attribute<double>("beta", 1.0);
  if (context.has_input(2) && beta != 0) {
    check_broadcast(context, context.input_shape(2), shape, "input 2 (C)");
    Expr c = context.at_broadcast(context.input(2), {m, n}, shape);
    result = result + scaled(cast(c, result.type()), beta);
  }
  builder.finish(context.output(), {m, n}, result);
}

}  // namespace

void register_matmul(OpRegistry& registry) {
  registry.add({.name = "MatMul", .infer = infer_matmul, .lower = lower_matmul});
  registry.add({.name = "Gemm", .infer = infer_gemm, .lower = lower_gemm});
  registry.add(
      {.domain = "com.microsoft", .name = "FusedMatMul", .infer = infer_matmul, .lower = lower_matmul});
  register_einsum(registry);
}

}  // namespace dlc::ir
