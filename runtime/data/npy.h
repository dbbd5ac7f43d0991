// NumPy's array files.
#pragma once

#include <string>
#include <string_view>

#include "runtime/tensor.h"

namespace dlc::data {

// Booleans, integers, floats, complex numbers and strings of fixed width, of either byte order and storage
// order. Throws Error(kData), for the file also Error(kIo).
Tensor parse_npy(std::string_view bytes);
Tensor read_npy(const std::string& path);

// Types that NumPy does not have become the next wider one: bfloat16 and 8-bit floats float32, packed
// integers 8 bits.
std::string format_npy(const Tensor& tensor);
void write_npy(const std::string& path, const Tensor& tensor);

}  // namespace dlc::data
