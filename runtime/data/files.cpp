#include "runtime/data/files.h"

#include <fcntl.h>
#include <sys/mman.h>
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

// A regular file, open for reading as long as this lives.
class InputFile {
 public:
  explicit InputFile(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) fail_file(path, "cannot be opened");
    struct stat info {};
    const bool is_file = ::fstat(descriptor_, &info) == 0 && S_ISREG(info.st_mode);
    size_ = info.st_size;
    if (is_file) return;
    ::close(descriptor_);
    fail(ErrorKind::kIo, "{}: is not a file", path);
  }
  ~InputFile() { ::close(descriptor_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  int descriptor() const { return descriptor_; }
  int64_t size() const { return size_; }

 private:
  int descriptor_;
  int64_t size_ = 0;
};

}  // namespace

std::string read_file(const std::string& path, int64_t max_bytes) {
  const InputFile file(path);
  if (file.size() > max_bytes) {
    fail(ErrorKind::kResource, "{}: has {} bytes; the limit is {}", path, file.size(), max_bytes);
  }
  std::string bytes(static_cast<size_t>(file.size()), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::read(file.descriptor(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<size_t>(count);
  }
  if (done != bytes.size()) fail(ErrorKind::kIo, "{}: cannot be read completely", path);
  return bytes;
}

FileView map_file(const std::string& path) {
  const InputFile file(path);
  const auto size = static_cast<size_t>(file.size());
  if (size == 0) return {};
  void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (memory == MAP_FAILED) fail_file(path, "cannot be mapped");
  std::shared_ptr<const void> owner(memory, [size](void* mapped) { ::munmap(mapped, size); });
  return {{static_cast<const char*>(memory), size}, std::move(owner)};
}

void write_file(const std::string& path, std::string_view bytes) {
  OutputFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace dlc::data
