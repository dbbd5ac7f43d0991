#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace dlc::test {

// An empty folder that goes away, with what is in it, at the end of the scope.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  // The names of what lies directly in it, in order.
  std::vector<std::string> names() const;

 private:
  std::filesystem::path path_;
};

}  // namespace dlc::test
