#include "ir/ops/product.h"

#include <algorithm>

namespace dlc::ir {
namespace {

Storage storage_of(const Node& node, const char* transposed, const char* batch_transposed) {
  return {.transposed = node.attribute<int64_t>(transposed, 0) != 0,
          .batch_transposed = node.attribute<int64_t>(batch_transposed, 0) != 0};
}

Shape to_logical(Shape stored, const Storage& storage) {
  if (stored.size() < 2) return stored;
  if (storage.batch_transposed) std::rotate(stored.begin(), stored.begin() + 1, stored.end() - 1);
  if (storage.transposed) std::swap(stored[stored.size() - 2], stored.back());
  return stored;
}

// An operand has a batch axis of the result if it does not repeat along it.
bool has_axis(const Shape& batch, size_t rank, size_t axis) {
  size_t missing = rank - batch.size();
  return axis >= missing && batch[axis - missing] != Dim(1);
}

// Axes of the result's batch: rows of A where B repeats, so that A's rows form one matrix.
Index batch_index(ContractionBuilder& builder, const Shape& batch, const Product& product) {
  Index result;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (batch[i] == Dim(1)) {
      result.push_back(integer(0));
    } else {
      bool in_b = has_axis(product.b_batch(), batch.size(), i);
      result.push_back(builder.axis(batch[i], in_b ? AxisRole::kBatch : AxisRole::kM));
    }
  }
  return result;
}

}  // namespace

Index to_stored(Index logical, const Storage& storage) {
  if (logical.size() < 2) return logical;
  if (storage.transposed) std::swap(logical[logical.size() - 2], logical.back());
  if (storage.batch_transposed) std::rotate(logical.begin(), logical.end() - 2, logical.end() - 1);
  return logical;
}

Product product_of(const Node& node, size_t a_input, size_t b_input) {
  Product result{.a_input = a_input, .b_input = b_input};
  result.a_storage = storage_of(node, "transA", "transBatchA");
  result.b_storage = storage_of(node, "transB", "transBatchB");
  result.a = to_logical(node.input(a_input)->shape(), result.a_storage);
  result.b = to_logical(node.input(b_input)->shape(), result.b_storage);
  return result;
}

Shape infer_product(const InferContext& context, const Product& product) {
  require_rank_at_least(context, product.a_input, 1);
  require_rank_at_least(context, product.b_input, 1);
  require_equal_extents(context, product.k_of_a(), product.k_of_b(), "inner dimensions");
  Shape shape = broadcast_shapes(context, product.a_batch(), product.b_batch());
  if (!product.a_vector()) shape.push_back(product.a[product.a.size() - 2]);
  if (!product.b_vector()) shape.push_back(product.b.back());
  return shape;
}

ProductIndex add_product(LowerContext& context, ContractionBuilder& builder, const Product& product) {
  check_equal(context, product.k_of_a(), product.k_of_b(), "inner dimensions");
  Shape batch = context.output_shape();
  batch.resize(batch.size() - (product.a_vector() ? 0 : 1) - (product.b_vector() ? 0 : 1));
  check_broadcast(context, product.a_batch(), batch, "batch of the first factor");
  check_broadcast(context, product.b_batch(), batch, "batch of the second factor");

  ProductIndex result{.out = batch_index(builder, batch, product), .m = {}, .n = {}};
  Index a_index = broadcast_index(result.out, batch, product.a_batch());
  Index b_index = broadcast_index(result.out, batch, product.b_batch());
  if (!product.a_vector()) {
    result.m = builder.axis(product.a[product.a.size() - 2], AxisRole::kM);
    a_index.push_back(result.m);
    result.out.push_back(result.m);
  }
  if (!product.b_vector()) {
    result.n = builder.axis(product.b.back(), AxisRole::kN);
    result.out.push_back(result.n);
  }
  Expr k = builder.axis(product.k_of_a(), AxisRole::kK);
  a_index.push_back(k);
  b_index.push_back(k);
  if (result.n) b_index.push_back(result.n);
  builder.a(context.input(product.a_input), to_stored(a_index, product.a_storage));
  builder.b(context.input(product.b_input), to_stored(b_index, product.b_storage));
  return result;
}

}  // namespace dlc::ir
