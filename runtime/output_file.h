// OutputFile: a file that appears whole or not at all.
#pragma once

#include <string>
#include <string_view>

namespace dlc {

// Writes go to a temporary file in the same folder, which commit() renames to `path`; of a link it replaces
// what that points to. Without commit() nothing is left behind. Error(kIo) naming the path.
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // For others to write to, before commit().
  const std::string& temporary_path() const { return temporary_; }
  void write(std::string_view bytes);
  // `mode`: permissions before the process's mask.
  void commit(unsigned mode = 0666);

  // Error(kIo) if a file could not be written at `path`; leaves nothing there.
  static void check_writable(const std::string& path) { OutputFile probe(path); }

 private:
  [[noreturn]] void fail_io(const char* what) const;

  std::string path_;
  std::string target_;  // path_ without links
  std::string temporary_;
  int descriptor_ = -1;
};

}  // namespace dlc
