// IDX files, as MNIST is given in: arrays of bytes, integers or floats, perhaps compressed with gzip.
#pragma once

#include <string>
#include <string_view>

#include "runtime/tensor.h"

namespace dlc::data {

// Throws Error(kData), for the file also Error(kIo).
Tensor parse_idx(std::string_view bytes);
Tensor read_idx(const std::string& path);

// What gzip has compressed. Error(kData) for other or damaged bytes, Error(kResource) beyond the limit.
bool is_gzip(std::string_view bytes);
std::string gunzip(std::string_view bytes, int64_t max_bytes = int64_t{8} << 30);

}  // namespace dlc::data
