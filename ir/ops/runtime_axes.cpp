#include "ir/ops/runtime_axes.h"

#include <numeric>

#include "ir/ops/infer_util.h"
#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

Value* repeated(Builder& builder, int64_t count, int64_t element) {
  return builder.ints(std::vector<int64_t>(static_cast<size_t>(count), element));
}

// [0, count) as one row.
Value* positions(Builder& builder, int64_t count) {
  std::vector<int64_t> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  Tensor row = Tensor::from_ints(numbers).reshaped({1, count});
  return builder.constant(std::move(row));
}

Value* as_column(Builder& builder, Value* vector) {
  return builder.op("Unsqueeze", {vector, builder.ints({1})});
}

}  // namespace

std::optional<std::vector<int64_t>> known_axes(const Node& node, size_t input) {
  const Value* axes = node.input(input);
  if (axes == nullptr || (axes->shape().size() == 1 && axes->shape()[0] == Dim(0))) {
    return std::vector<int64_t>();
  }
  return known_ints(axes);
}

int64_t count_axes(const InferContext& context, size_t input) {
  require_rank(context, input, 1);
  return context.known(context.shape(input)[0], fmt::format("input {}: the number of axes", input));
}

Value* scatter_to_axes(Builder& builder, Value* values, Value* axes, int64_t rank, int64_t fallback) {
  return builder.op("ScatterElements", {repeated(builder, rank, fallback), builder.cast(axes, DType::kInt64),
                                        builder.cast(values, DType::kInt64)});
}

Value* mask_of_axes(Builder& builder, Value* axes, int64_t rank) {
  return scatter_to_axes(builder, repeated(builder, axes->shape()[0].value(), 1), axes, rank, 0);
}

Value* choose_by_mask(Builder& builder, Value* mask, Value* yes, Value* no) {
  return builder.op("Where", {builder.cast(mask, DType::kBool), yes, no});
}

Value* zeros_before(Builder& builder, Value* mask) {
  Value* zeros = builder.sub(builder.ints({1}), mask);
  return builder.op("CumSum", {zeros, builder.scalar(DType::kInt64, 0)}, {{"exclusive", int64_t{1}}});
}

Value* unmasked(Builder& builder, Value* values, Value* mask, int64_t count) {
  Value* target = choose_by_mask(builder, mask, builder.ints({-1}), zeros_before(builder, mask));
  Value* is_there = builder.op("Equal", {as_column(builder, target), positions(builder, count)});
  Value* matrix = builder.op("Where", {is_there, as_column(builder, values), builder.ints({0})});
  return builder.reduce("ReduceSum", matrix, {0}, false);
}

}  // namespace dlc::ir
