// The product of two matrices or stacks of them, as numpy's matmul has it.
#pragma once

#include "ir/ops/contract.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {

// How the stored axes of an operand of rank >= 2 become [batch..., rows, columns].
struct Storage {
  bool transposed = false;        // the last two axes are exchanged
  bool batch_transposed = false;  // the first axis comes behind the batch axes, before `transposed` applies
};

// The index of a stored operand from that of the logical one.
Index to_stored(Index logical, const Storage& storage);

// The factors of a node's product: a vector has no rows (left) or no columns (right).
struct Product {
  size_t a_input = 0;
  size_t b_input = 1;
  Storage a_storage = {};
  Storage b_storage = {};
  Shape a = {};  // [batch..., M, K] or [K]
  Shape b = {};  // [batch..., K, N] or [K]

  bool a_vector() const { return a.size() == 1; }
  bool b_vector() const { return b.size() == 1; }
  Shape a_batch() const { return a_vector() ? Shape{} : Shape(a.begin(), a.end() - 2); }
  Shape b_batch() const { return b_vector() ? Shape{} : Shape(b.begin(), b.end() - 2); }
  const Dim& k_of_a() const { return a.back(); }
  const Dim& k_of_b() const { return b_vector() ? b[0] : b[b.size() - 2]; }
};

// Of the given inputs, with the attributes transA, transB, transBatchA and transBatchB where the node has
// them.
Product product_of(const Node& node, size_t a_input = 0, size_t b_input = 1);

// The shape of the product; Error where the factors do not fit.
Shape infer_product(const InferContext& context, const Product& product);

// Adds the axes and the operands of a product to the builder, after the checks that are left for run time.
struct ProductIndex {
  Index out;  // of the product
  Expr m;     // empty where A is a vector
  Expr n;     // empty where B is a vector
};
ProductIndex add_product(LowerContext& context, ContractionBuilder& builder, const Product& product);

}  // namespace dlc::ir
