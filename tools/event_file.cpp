#include "tools/event_file.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <training_event.pb.h>

#include "runtime/error.h"

namespace dlc::tools {
namespace {

using tensorboard::Event;

constexpr std::array<uint32_t, 256> make_table() {
  constexpr uint32_t kPolynomial = 0x82F63B78;  // reflected
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? kPolynomial : 0);
    table[i] = value;
  }
  return table;
}

// TFRecord files do not hold checksums as they are, lest those of data with checksums inside are weak.
uint32_t masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xA282EAD8; }

template <class T>
std::string_view bytes_of(const T& number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

double now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

// Later files have greater names. Two runs may begin within a second.
std::string free_path(const std::string& folder, double time) {
  for (int i = 0;; ++i) {
    std::string path =
        fmt::format("{}/events.out.tfevents.{:010}.{}.dlc", folder, static_cast<int64_t>(time), i);
    if (!std::filesystem::exists(path)) return path;
  }
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = make_table();
  uint32_t crc = ~uint32_t{0};
  for (char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 0xFF];
  return ~crc;
}

std::string format_record(std::string_view bytes) {
  const uint64_t length = bytes.size();
  const uint32_t length_crc = masked(crc32c(bytes_of(length)));
  const uint32_t bytes_crc = masked(crc32c(bytes));
  std::string record(bytes_of(length));
  record += bytes_of(length_crc);
  record += bytes;
  record += bytes_of(bytes_crc);
  return record;
}

EventFile::EventFile(const std::string& folder, int64_t first_step) : path_(free_path(folder, now())) {
  file_ = std::fopen(path_.c_str(), "wbxe");
  if (file_ == nullptr) fail(ErrorKind::kIo, "{}: cannot be written: {}", path_, std::strerror(errno));
  Event version;
  version.set_file_version("brain.Event:2");
  write(version);
  Event start;
  start.set_step(first_step);
  start.mutable_session_log()->set_status(tensorboard::SessionLog::START);
  write(start);
}

EventFile::~EventFile() { std::fclose(file_); }

void EventFile::add(int64_t step, const std::vector<std::pair<std::string, double>>& scalars) {
  Event event;
  event.set_step(step);
  for (const auto& [tag, number] : scalars) {
    tensorboard::Summary::Value* value = event.mutable_summary()->add_value();
    value->set_tag(tag);
    value->set_simple_value(static_cast<float>(number));
  }
  write(event);
}

void EventFile::flush() {
  if (std::fflush(file_) != 0) fail(ErrorKind::kIo, "{}: cannot be written: {}", path_, std::strerror(errno));
}

void EventFile::write(const Event& event) {
  Event timed = event;
  timed.set_wall_time(now());
  const std::string record = format_record(timed.SerializeAsString());
  if (std::fwrite(record.data(), 1, record.size(), file_) == record.size()) return;
  fail(ErrorKind::kIo, "{}: cannot be written: {}", path_, std::strerror(errno));
}

}  // namespace dlc::tools
