#include "tools/progress.h"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

namespace dlc::tools {

Progress::Progress(bool quiet) : enabled_(!quiet && ::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { clear(); }

void Progress::show(std::string_view text) {
  if (!enabled_) return;
  constexpr size_t kWidth = 78;
  fmt::print(stderr, "\r\x1b[K{}", text.substr(0, kWidth));
  std::fflush(stderr);
  shown_ = true;
}

void Progress::show(std::string_view text, int64_t index, int64_t count) {
  show(fmt::format("[{}/{}] {}", index, count, text));
}

void Progress::clear() {
  if (!shown_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace dlc::tools
