// Whole files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace dlc::data {

// Error(kIo) when the file is missing, no regular file or unreadable, Error(kResource) when it is larger.
std::string read_file(const std::string& path, int64_t max_bytes = int64_t{8} << 30);

// The bytes of a file without a copy, as long as their owner lives. What another process does to the file
// meanwhile shows. Errors as above.
struct FileView {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
};
FileView map_file(const std::string& path);

// Whole or not at all (OutputFile). Error(kIo).
void write_file(const std::string& path, std::string_view bytes);

}  // namespace dlc::data
