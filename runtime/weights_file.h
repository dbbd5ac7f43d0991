// Constants of a model in a file beside its library.
#pragma once

#include <memory>
#include <string>

#include "runtime/tensor.h"

namespace dlc::runtime {

// `data` stays mapped while `owner` lives. Both are copied freely.
struct MappedConstants {
  const char* data = nullptr;
  std::shared_ptr<const void> owner;
};

// Maps the constants that belong to a model. Error(kIo) where the file cannot be read, Error(kModel) where it
// is no weights file or that of another model.
MappedConstants map_weights_file(const std::string& path, const std::string& content_hash, uint64_t size);

// Writes the file atomically. Error(kIo).
void write_weights_file(const std::string& path, const std::string& content_hash, const Tensor& constants);

}  // namespace dlc::runtime
