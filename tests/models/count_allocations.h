// How often this process has asked for memory: by malloc and its kin, and so by new, in every library of it.
#pragma once

#include <cstdint>

namespace dlc::test {

// Not counted in builds with a sanitizer, which brings a malloc of its own.
bool counts_allocations();
int64_t allocation_count();

}  // namespace dlc::test
