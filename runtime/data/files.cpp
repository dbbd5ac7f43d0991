#include "runtime/data/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/error.h"
#include "runtime/output_file.h"

namespace dlc::data {
namespace {

[[noreturn]] void fail_file(const std::string& path, const char* what) {
  fail(ErrorKind::kIo, "{}: {}: {}", path, what, std::strerror(errno));
}

}  // namespace

std::string read_file(const std::string& path, int64_t max_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_file(path, "cannot be opened");
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    fail(ErrorKind::kIo, "{}: is not a file", path);
  }
  if (info.st_size > max_bytes) {
    ::close(fd);
    fail(ErrorKind::kResource, "{}: has {} bytes; the limit is {}", path, info.st_size, max_bytes);
  }
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::read(fd, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<size_t>(count);
  }
  ::close(fd);
  if (done != bytes.size()) fail(ErrorKind::kIo, "{}: cannot be read completely", path);
  return bytes;
}

void write_file(const std::string& path, std::string_view bytes) {
  OutputFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace dlc::data
