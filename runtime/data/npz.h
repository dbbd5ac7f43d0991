// NumPy's archives of arrays: ZIP files of .npy files, stored or deflated.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "runtime/tensor.h"

namespace dlc::data {

// The arrays by name, without ".npy". Throws Error(kData), for the file also Error(kIo).
std::map<std::string, Tensor> parse_npz(std::string_view bytes);
std::map<std::string, Tensor> read_npz(const std::string& path);

}  // namespace dlc::data
