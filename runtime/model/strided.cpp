#include "runtime/model/strided.h"

#include <cstring>

namespace dlc::model {
namespace {

// One copy for both directions: `dense` and `strided` advance together; To and From say which one is written.
template <bool kToDense, class Dense, class Strided>
Dense* copy_axis(Dense* dense, Strided* strided, int32_t rank, const int64_t* extents, const int64_t* strides,
                 int64_t element_bytes) {
  if (rank == 0) {
    if constexpr (kToDense) {
      memcpy(dense, strided, static_cast<size_t>(element_bytes));
    } else {
      memcpy(strided, dense, static_cast<size_t>(element_bytes));
    }
    return dense + element_bytes;
  }
  if (is_dense(rank, extents, strides)) {
    int64_t bytes = element_bytes;
    for (int32_t i = 0; i < rank; ++i) bytes *= extents[i];
    if constexpr (kToDense) {
      memcpy(dense, strided, static_cast<size_t>(bytes));
    } else {
      memcpy(strided, dense, static_cast<size_t>(bytes));
    }
    return dense + bytes;
  }
  for (int64_t i = 0; i < extents[0]; ++i) {
    dense = copy_axis<kToDense>(dense, strided + i * strides[0] * element_bytes, rank - 1, extents + 1,
                                strides + 1, element_bytes);
  }
  return dense;
}

bool is_empty(int32_t rank, const int64_t* extents) {
  for (int32_t i = 0; i < rank; ++i) {
    if (extents[i] == 0) return true;
  }
  return false;
}

}  // namespace

bool is_dense(int32_t rank, const int64_t* extents, const int64_t* strides) {
  if (strides == nullptr || is_empty(rank, extents)) return true;
  int64_t expected = 1;
  for (int32_t i = rank - 1; i >= 0; --i) {
    if (extents[i] != 1 && strides[i] != expected) return false;
    expected *= extents[i];
  }
  return true;
}

void copy_to_dense(void* dense, const void* strided, int32_t rank, const int64_t* extents,
                   const int64_t* strides, int64_t element_bytes) {
  if (is_empty(rank, extents)) return;
  copy_axis<true>(static_cast<char*>(dense), static_cast<const char*>(strided), rank, extents, strides,
                  element_bytes);
}

void copy_from_dense(void* strided, const void* dense, int32_t rank, const int64_t* extents,
                     const int64_t* strides, int64_t element_bytes) {
  if (is_empty(rank, extents)) return;
  copy_axis<false>(static_cast<const char*>(dense), static_cast<char*>(strided), rank, extents, strides,
                   element_bytes);
}

}  // namespace dlc::model
