#include "ir/ops/index_util.h"

#include <algorithm>

#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

bool is_nonnegative(const IndexRange& range) { return range.low && *range.low >= 0; }

std::vector<int64_t> row_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

// What lies between two constants, perhaps in another shape.
std::optional<IndexRange> clipped_range(const Value& indices) {
  const Node* node = indices.producer();
  while (node != nullptr && node->op().name == "Reshape") node = node->input(0)->producer();
  if (node == nullptr || node->op().name != "Clip" || node->inputs().size() != 3) return std::nullopt;
  const Value* low = node->input(1);
  const Value* high = node->input(2);
  if (low == nullptr || high == nullptr || !low->is_constant() || !high->is_constant()) return std::nullopt;
  // Where the limits cross, the upper one wins.
  const int64_t most = high->constant().get_int(0);
  return IndexRange{std::min(low->constant().get_int(0), most), most};
}

}  // namespace

IndexRange index_range(const Value& indices) {
  IndexRange range;
  if (indices.is_constant()) {
    const Tensor& tensor = indices.constant();
    for (int64_t i = 0; i < tensor.size(); ++i) {
      int64_t index = tensor.get_int(i);
      range.low = std::min(range.low.value_or(index), index);
      range.high = std::max(range.high.value_or(index), index);
    }
    if (tensor.size() == 0) range = {0, -1};
    return range;
  }
  if (const std::optional<IndexRange> clipped = clipped_range(indices)) return *clipped;
  if (!indices.shape_value() || indices.shape_value()->empty()) return range;
  bool first = true;
  for (const Dim& index : *indices.shape_value()) {
    auto low = lower_bound(index);
    auto high = upper_bound(index);
    range.low = first ? low : (low && range.low ? std::optional(std::min(*low, *range.low)) : std::nullopt);
    range.high =
        first ? high : (high && range.high ? std::optional(std::max(*high, *range.high)) : std::nullopt);
    first = false;
  }
  return range;
}

bool known_in_range(const IndexRange& range, const Dim& extent) {
  if (!range.low || !range.high) return false;
  if (*range.high < *range.low) return true;  // no index at all
  auto least = lower_bound(extent);
  return least && *range.low >= -*least && *range.high < *least;
}

void require_indices(const InferContext& context, size_t input, const Dim& extent) {
  if (!is_integer(context.dtype(input))) {
    context.fail("input {}: expected integer indices, found {}", input, name(context.dtype(input)));
  }
  const Value& indices = *context.node().input(input);
  if (!indices.is_constant() || !extent.is_constant()) return;
  IndexRange range = index_range(indices);
  if (known_in_range(range, extent)) return;
  context.fail("input {}: expected indices in [-{}, {}), found {} to {}", input, extent.value(),
               extent.value(), *range.low, *range.high);
}

Expr position_of(const Expr& index, const Dim& extent, const IndexRange& range) {
  Expr position = cast(index, DType::kInt64);
  if (!is_nonnegative(range)) position = select(position < integer(0), position + dim(extent), position);
  if (known_in_range(range, extent)) return position;
  return max(integer(0), min(position, dim(extent - Dim(1))));
}

void check_indices(LowerContext& context, size_t input, const Dim& extent) {
  if (known_in_range(index_range(*context.node().input(input)), extent)) return;
  auto number = [&](const Index& index) { return cast(context.at_input(input, index), DType::kInt64); };
  auto holds = [&](const Index& index) {
    return number(index) >= dim(-extent) && number(index) < dim(extent);
  };
  check_all(context, context.input_shape(input),
            {holds, number, "index", fmt::format("a number in [-({0}), {0})", extent.to_string())});
}

std::optional<AffineIndices> affine_indices(const Tensor& indices) {
  const std::vector<int64_t>& shape = indices.shape();
  if (shape.empty() || indices.size() == 0) return std::nullopt;
  size_t outer = shape.size() - 1;
  int64_t width = shape.back();
  std::vector<int64_t> strides = row_strides(shape);
  AffineIndices result;
  for (int64_t j = 0; j < width; ++j) {
    result.base.push_back(indices.get_int(j));
    std::vector<int64_t> factors;
    for (size_t l = 0; l < outer; ++l) {
      factors.push_back(shape[l] > 1 ? indices.get_int(strides[l] + j) - indices.get_int(j) : 0);
    }
    result.factor.push_back(std::move(factors));
  }
  for (int64_t element = 0; element < indices.size(); ++element) {
    auto j = static_cast<size_t>(element % width);
    int64_t expected = result.base[j];
    for (size_t l = 0; l < outer; ++l) expected += result.factor[j][l] * (element / strides[l] % shape[l]);
    if (indices.get_int(element) != expected) return std::nullopt;
  }
  return result;
}

}  // namespace dlc::ir
