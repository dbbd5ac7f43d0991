// Event files, which TensorBoard shows: numbers over the steps of a run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dlc::tensorboard {
class Event;
}

namespace dlc::tools {

class EventFile {
 public:
  // A new file in the folder. What earlier files of it say of `first_step` and later ones does not count any
  // more. Error(kIo).
  EventFile(const std::string& folder, int64_t first_step);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // Error(kIo).
  void add(int64_t step, const std::vector<std::pair<std::string, double>>& scalars);
  void flush();

 private:
  void write(const tensorboard::Event& event);

  std::string path_;
  std::FILE* file_ = nullptr;
};

// A record of a TFRecord file: length, bytes, and checksums of both.
std::string format_record(std::string_view bytes);
// CRC-32C (Castagnoli), as RFC 3720 has it.
uint32_t crc32c(std::string_view bytes);

}  // namespace dlc::tools
