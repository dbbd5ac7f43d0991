#include "frontend/external_data.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "runtime/error.h"

namespace dlc::frontend {
namespace {

namespace fs = std::filesystem;

bool is_inside(const fs::path& folder, const fs::path& file) {
  return std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first == folder.end();
}

// The file with all links followed, proven to lie in the folder.
fs::path confined(const std::string& folder, const std::string& location) {
  const fs::path relative(location);
  if (location.empty() || location.find('\0') != std::string::npos || relative.is_absolute()) {
    fail(ErrorKind::kModel, "external data location '{}' is not a relative path", location);
  }
  if (std::find(relative.begin(), relative.end(), fs::path("..")) != relative.end()) {
    fail(ErrorKind::kModel, "external data location '{}' leaves the model's folder", location);
  }
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  if (error) fail(ErrorKind::kIo, "folder '{}': {}", folder, error.message());
  const fs::path file = fs::canonical(root / relative, error);
  if (error) fail(ErrorKind::kIo, "external data file '{}': {}", location, error.message());
  if (!is_inside(root, file)) {
    fail(ErrorKind::kModel, "external data location '{}' is a link that leaves the model's folder", location);
  }
  return file;
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(ErrorKind::kIo, "'{}' cannot be opened: {}", path, std::strerror(errno));
  struct stat info {};
  const bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  size_ = regular ? static_cast<size_t>(info.st_size) : 0;
  void* map = size_ > 0 ? ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
  ::close(fd);
  if (!regular) fail(ErrorKind::kIo, "'{}' is not a file", path);
  if (map == MAP_FAILED) fail(ErrorKind::kIo, "'{}' cannot be mapped: {}", path, std::strerror(errno));
  data_ = static_cast<const char*>(map);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

std::shared_ptr<const MappedFile> ExternalData::open(const std::string& location) {
  if (folder_.empty()) {
    fail(ErrorKind::kModel, "external data '{}' is not allowed for a model that was not read from a file",
         location);
  }
  std::shared_ptr<const MappedFile>& file = files_[location];
  if (file == nullptr) file = std::make_shared<MappedFile>(confined(folder_, location).string());
  return file;
}

}  // namespace dlc::frontend
