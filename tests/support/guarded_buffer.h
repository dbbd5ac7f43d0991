#pragma once

#include <cstddef>
#include <span>

namespace dlc::test {

// Which end of the bytes touches an unreadable page.
enum class Guard { kEnd, kBegin };

// Memory that ends (or begins) at a page nobody may touch, so that an access out of bounds by generated code,
// which no sanitizer sees, kills the test. The other end has an unreadable page too, at most a page of
// padding away.
class GuardedBuffer {
 public:
  explicit GuardedBuffer(std::size_t bytes, Guard guard = Guard::kEnd);
  ~GuardedBuffer();
  GuardedBuffer(GuardedBuffer&& other) noexcept;
  GuardedBuffer& operator=(GuardedBuffer&& other) noexcept;

  // Exactly at the guard; with kEnd its alignment is that of the size, at most a page's.
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }

  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  template <class T>
  std::span<T> span_of() const {
    return {as<T>(), size_ / sizeof(T)};
  }

  // Any write faults from now on: for inputs and weights.
  void make_read_only();

 private:
  void release() noexcept;

  std::byte* mapping_ = nullptr;
  std::size_t mapping_size_ = 0;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace dlc::test
