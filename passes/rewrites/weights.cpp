#include "passes/rewrites/weights.h"

#include <cstring>

namespace dlc::passes {
namespace {

// Moves whole bytes; `Element` has the width of the type.
template <class Element>
void transpose_into(const Tensor& from, const std::vector<int64_t>& perm, Tensor& to) {
  size_t rank = perm.size();
  std::vector<int64_t> from_strides(rank, 1);
  for (size_t i = rank; i-- > 1;) from_strides[i - 1] = from_strides[i] * from.shape()[i];
  std::vector<int64_t> strides(rank);
  for (size_t i = 0; i < rank; ++i) strides[i] = from_strides[static_cast<size_t>(perm[i])];
  const char* source = from.as<char>();
  std::vector<int64_t> index(rank, 0);
  int64_t offset = 0;
  for (int64_t i = 0; i < to.size(); ++i) {
    std::memcpy(to.mutable_as<Element>() + i, source + offset * static_cast<int64_t>(sizeof(Element)),
                sizeof(Element));
    for (size_t axis = rank; axis-- > 0;) {
      offset += strides[axis];
      if (++index[axis] < to.shape()[axis]) break;
      offset -= strides[axis] * to.shape()[axis];
      index[axis] = 0;
    }
  }
}

void transpose_elements(const Tensor& from, const std::vector<int64_t>& perm, Tensor& to) {
  for (int64_t i = 0; i < to.size(); ++i) {
    int64_t rest = i;
    int64_t offset = 0;
    std::vector<int64_t> index(perm.size());
    for (size_t axis = perm.size(); axis-- > 0;) {
      index[static_cast<size_t>(perm[axis])] = rest % to.shape()[axis];
      rest /= to.shape()[axis];
    }
    for (size_t axis = 0; axis < perm.size(); ++axis) offset = offset * from.shape()[axis] + index[axis];
    to.set_int(i, from.get_int(offset));
  }
}

}  // namespace

Tensor scaled(const Tensor& tensor, std::span<const double> factors,
              const std::function<int64_t(int64_t)>& channel_of) {
  Tensor result(tensor.dtype(), tensor.shape());
  for (int64_t i = 0; i < tensor.size(); ++i) {
    result.set_double(i, tensor.get_double(i) * factors[static_cast<size_t>(channel_of(i))]);
  }
  return result;
}

Tensor transposed(const Tensor& tensor, const std::vector<int64_t>& perm) {
  std::vector<int64_t> shape;
  for (int64_t axis : perm) shape.push_back(tensor.shape()[static_cast<size_t>(axis)]);
  Tensor result(tensor.dtype(), std::move(shape));
  switch (bit_width(tensor.dtype())) {
    case 8:
      transpose_into<uint8_t>(tensor, perm, result);
      break;
    case 16:
      transpose_into<uint16_t>(tensor, perm, result);
      break;
    case 32:
      transpose_into<uint32_t>(tensor, perm, result);
      break;
    case 64:
      transpose_into<uint64_t>(tensor, perm, result);
      break;
    default:
      transpose_elements(tensor, perm, result);
      break;
  }
  return result;
}

Tensor vector_of(DType type, std::span<const double> values) { return column_of(type, values, 0); }

Tensor column_of(DType type, std::span<const double> values, size_t trailing) {
  std::vector<int64_t> shape(1 + trailing, 1);
  shape[0] = static_cast<int64_t>(values.size());
  Tensor result(type, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i) result.set_double(static_cast<int64_t>(i), values[i]);
  return result;
}

std::vector<double> doubles(const Tensor& tensor) {
  std::vector<double> result(static_cast<size_t>(tensor.size()));
  for (size_t i = 0; i < result.size(); ++i) result[i] = tensor.get_double(static_cast<int64_t>(i));
  return result;
}

}  // namespace dlc::passes
