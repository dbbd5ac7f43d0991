// Copies between strided and dense tensors of whole-byte elements.
#pragma once

#include <cstdint>

namespace dlc::model {

// True if elements of these extents at these strides (null: row-major) lie dense and row-major.
bool is_dense(int32_t rank, const int64_t* extents, const int64_t* strides);

// Strides count elements of `element_bytes` and may be negative or zero.
void copy_to_dense(void* dense, const void* strided, int32_t rank, const int64_t* extents,
                   const int64_t* strides, int64_t element_bytes);
void copy_from_dense(void* strided, const void* dense, int32_t rank, const int64_t* extents,
                     const int64_t* strides, int64_t element_bytes);

}  // namespace dlc::model
