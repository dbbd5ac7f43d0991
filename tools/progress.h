// A line on a terminal that says what is going on; nothing elsewhere.
#pragma once

#include <string>
#include <string_view>

namespace dlc::tools {

class Progress {
 public:
  // Shows only on a terminal, and not when `quiet`.
  explicit Progress(bool quiet = false);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::string_view text);
  void show(std::string_view text, int64_t index, int64_t count);
  void clear();

 private:
  bool enabled_;
  bool shown_ = false;
};

}  // namespace dlc::tools
