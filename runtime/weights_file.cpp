#include "runtime/weights_file.h"

#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/error.h"
#include "runtime/output_file.h"

namespace dlc::runtime {
namespace {

// The constants follow at the next multiple of a cache line.
struct alignas(64) Header {
  char magic[8];
  uint64_t size;
  char content_hash[48];
};
static_assert(sizeof(Header) == 64);

constexpr char kMagic[9] = "DLCWGHT1";

Header make_header(const std::string& content_hash, uint64_t size) {
  Header header = {};
  std::memcpy(header.magic, kMagic, sizeof header.magic);
  header.size = size;
  std::memcpy(header.content_hash, content_hash.data(),
              std::min(content_hash.size(), sizeof header.content_hash));
  return header;
}

class File {
 public:
  explicit File(const std::string& path) : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0)
      fail(ErrorKind::kIo, "cannot open the weights file '{}': {}", path, std::strerror(errno));
  }
  ~File() { close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int descriptor() const { return descriptor_; }
  uint64_t size() const {
    struct stat status = {};
    return fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size)
                                                                       : 0;
  }

 private:
  int descriptor_;
};

}  // namespace

MappedConstants map_weights_file(const std::string& path, const std::string& content_hash, uint64_t size) {
  File file(path);
  size_t bytes = file.size();
  if (bytes < sizeof(Header)) fail(ErrorKind::kModel, "'{}' is no weights file", path);
  void* memory = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (memory == MAP_FAILED)
    fail(ErrorKind::kIo, "cannot map the weights file '{}': {}", path, std::strerror(errno));
  std::shared_ptr<const void> owner(memory, [bytes](const void* p) { munmap(const_cast<void*>(p), bytes); });
  Header expected = make_header(content_hash, size);
  const Header& found = *static_cast<const Header*>(memory);
  if (std::memcmp(found.magic, expected.magic, sizeof found.magic) != 0) {
    fail(ErrorKind::kModel, "'{}' is no weights file", path);
  }
  if (std::memcmp(&found, &expected, sizeof found) != 0) {
    fail(ErrorKind::kModel, "the weights file '{}' belongs to another model", path);
  }
  if (bytes - sizeof(Header) < size) {
    fail(ErrorKind::kModel, "the weights file '{}' is cut off: expected {} bytes, found {}", path,
         size + sizeof(Header), bytes);
  }
  return {static_cast<const char*>(memory) + sizeof(Header), std::move(owner)};
}

void write_weights_file(const std::string& path, const std::string& content_hash, const Tensor& constants) {
  Header header = make_header(content_hash, static_cast<uint64_t>(constants.byte_size()));
  OutputFile file(path);
  file.write(std::string_view(reinterpret_cast<const char*>(&header), sizeof header));
  file.write(std::string_view(constants.as<char>(), static_cast<size_t>(constants.byte_size())));
  file.commit();
}

}  // namespace dlc::runtime
