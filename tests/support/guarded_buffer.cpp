#include "tests/support/guarded_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/error.h"

namespace dlc::test {
namespace {

std::size_t page_size() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

void protect(std::byte* begin, std::size_t size, int protection) {
  if (size != 0 && mprotect(begin, size, protection) != 0) {
    fail(ErrorKind::kResource, "mprotect of {} bytes: {}", size, std::strerror(errno));
  }
}

}  // namespace

GuardedBuffer::GuardedBuffer(std::size_t bytes, Guard guard) : size_(bytes) {
  const std::size_t page = page_size();
  const std::size_t inner = (bytes + page - 1) / page * page;
  mapping_size_ = inner + 2 * page;
  void* mapping = mmap(nullptr, mapping_size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) fail(ErrorKind::kResource, "mmap of {} bytes: {}", bytes, std::strerror(errno));
  mapping_ = static_cast<std::byte*>(mapping);
  protect(mapping_ + page, inner, PROT_READ | PROT_WRITE);
  data_ = mapping_ + page + (guard == Guard::kEnd ? inner - bytes : 0);
}

GuardedBuffer::~GuardedBuffer() { release(); }

GuardedBuffer::GuardedBuffer(GuardedBuffer&& other) noexcept { *this = std::move(other); }

GuardedBuffer& GuardedBuffer::operator=(GuardedBuffer&& other) noexcept {
  if (this == &other) return *this;
  release();
  mapping_ = std::exchange(other.mapping_, nullptr);
  mapping_size_ = std::exchange(other.mapping_size_, 0);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void GuardedBuffer::make_read_only() {
  const std::size_t page = page_size();
  protect(mapping_ + page, mapping_size_ - 2 * page, PROT_READ);
}

void GuardedBuffer::release() noexcept {
  if (mapping_ != nullptr) munmap(mapping_, mapping_size_);
  mapping_ = nullptr;
}

}  // namespace dlc::test
