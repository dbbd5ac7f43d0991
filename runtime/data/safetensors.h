// safetensors: named tensors in one file, with text beside them. A header of JSON, then the bytes.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/tensor.h"

namespace dlc::data {

struct TensorFile {
  std::vector<std::pair<std::string, Tensor>> tensors;  // written in this order; read in that of the bytes
  std::map<std::string, std::string> metadata;
};

// Every number of the header is checked against the bytes. Error(kData), for the file also Error(kIo).
TensorFile parse_safetensors(std::string_view bytes);
TensorFile read_safetensors(const std::string& path);

// Error(kUsage) for element types and names that the format has not; for the file, which appears whole or not
// at all, also Error(kIo). Writing needs no memory for the bytes.
std::string format_safetensors(const TensorFile& file);
void write_safetensors(const std::string& path, const TensorFile& file);

}  // namespace dlc::data
