#include "tests/models/count_allocations.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DLC_COUNTS_ALLOCATIONS 0
#else
#define DLC_COUNTS_ALLOCATIONS 1
#endif

namespace dlc::test {
namespace {

std::atomic<int64_t> allocations;

}  // namespace

bool counts_allocations() { return DLC_COUNTS_ALLOCATIONS != 0; }
int64_t allocation_count() { return allocations.load(); }

#if DLC_COUNTS_ALLOCATIONS

// What libc offers those who put a malloc of their own before its.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  ++allocations;
  return __libc_realloc(memory, size);
}
void* memalign(size_t alignment, size_t size) {
  ++allocations;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  ++allocations;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
  ++allocations;
  *memory = __libc_memalign(alignment, size);
  return *memory != nullptr ? 0 : ENOMEM;
}
}

#endif

}  // namespace dlc::test
