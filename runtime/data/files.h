// Whole files, read with a limit and written so that nobody sees half of one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dlc::data {

// Error(kIo) when the file is missing, no regular file or unreadable, Error(kResource) when it is larger.
std::string read_file(const std::string& path, int64_t max_bytes = int64_t{8} << 30);

// A file that appears under its name, complete, when commit() is called, or not at all.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);  // Error(kIo) if the folder cannot be written
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);
  void commit();

 private:
  std::string path_;
  std::string temporary_;
  int fd_ = -1;
};

void write_file(const std::string& path, std::string_view bytes);

}  // namespace dlc::data
