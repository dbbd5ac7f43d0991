#include "runtime/cpu.h"

#include <unistd.h>

#include "runtime/model/api.h"

namespace dlc::runtime {
namespace {

struct FeatureName {
  uint64_t bit;
  const char* name;
};

constexpr FeatureName kNames[] = {
    {DLC_CPU_X86_V2, "SSE4.2 (x86-64-v2)"},
    {DLC_CPU_X86_V3, "AVX2 and FMA (x86-64-v3)"},
    {DLC_CPU_X86_V4, "AVX-512 (x86-64-v4)"},
    {DLC_CPU_AVX_VNNI, "AVX-VNNI"},
    {DLC_CPU_AVX512_VNNI, "AVX-512 VNNI"},
    {DLC_CPU_AVX512_BF16, "AVX-512 BF16"},
    {DLC_CPU_AVX512_FP16, "AVX-512 FP16"},
    {DLC_CPU_AMX_INT8, "AMX-INT8"},
    {DLC_CPU_AMX_BF16, "AMX-BF16"},
    {DLC_CPU_ARM_DOTPROD, "dot products (ARMv8.2)"},
    {DLC_CPU_ARM_FP16, "half precision (ARMv8.2)"},
    {DLC_CPU_ARM_BF16, "BF16 (ARMv8.6)"},
    {DLC_CPU_ARM_I8MM, "I8MM (ARMv8.6)"},
};

void take_size(int name, int64_t& size) {
  long value = sysconf(name);
  if (value > 0) size = value;
}

}  // namespace

uint64_t cpu_features() { return dlc_machine_features(); }

std::string describe_cpu_features(uint64_t features) {
  std::string text;
  for (const FeatureName& feature : kNames) {
    if ((features & feature.bit) == 0) continue;
    features &= ~feature.bit;
    if (!text.empty()) text += ", ";
    text += feature.name;
  }
  if (features != 0) text += text.empty() ? "unknown features" : ", unknown features";
  return text;
}

CacheSizes cache_sizes() {
  CacheSizes sizes;
  take_size(_SC_LEVEL1_DCACHE_SIZE, sizes.l1);
  take_size(_SC_LEVEL2_CACHE_SIZE, sizes.l2);
  take_size(_SC_LEVEL3_CACHE_SIZE, sizes.l3);
  return sizes;
}

int usable_threads() { return dlc_usable_threads(); }

}  // namespace dlc::runtime
