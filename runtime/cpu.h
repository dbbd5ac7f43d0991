// The machine that this process runs on.
#pragma once

#include <cstdint>
#include <string>

namespace dlc::runtime {

// Bits of dlc_cpu_feature that the CPU has and the system supports.
uint64_t cpu_features();
// "AVX2 and FMA (x86-64-v3), AVX-512 VNNI": for people.
std::string describe_cpu_features(uint64_t features);

// Data caches in bytes, of one core (L3: of all that share it); usual sizes where the system does not say.
struct CacheSizes {
  int64_t l1 = 32 << 10;
  int64_t l2 = 512 << 10;
  int64_t l3 = 8 << 20;
};
CacheSizes cache_sizes();

// Threads that this process may use: its affinity and the CPU quota of its control group.
int usable_threads();

}  // namespace dlc::runtime
