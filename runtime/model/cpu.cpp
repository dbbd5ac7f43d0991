// What this machine's CPU and system can do, as bits of dlc_cpu_feature.

#include <atomic>

#include "runtime/model/api.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace {

#if defined(__x86_64__)

struct Leaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf cpuid(uint32_t leaf, uint32_t subleaf) {
  Leaf result;
  __get_cpuid_count(leaf, subleaf, &result.eax, &result.ebx, &result.ecx, &result.edx);
  return result;
}

bool has_all(uint32_t value, uint32_t bits) { return (value & bits) == bits; }
constexpr uint32_t bit(int index) { return 1u << index; }

// Register state that the system saves: XCR0. 0 without OSXSAVE.
uint64_t saved_state(const Leaf& basic) {
  if (!has_all(basic.ecx, bit(27))) return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

uint64_t features() {
  constexpr uint64_t kAvxState = 0x6, kAvx512State = 0xe6, kAmxState = 0x60000;
  Leaf basic = cpuid(1, 0), extended = cpuid(7, 0), extended1 = cpuid(7, 1), amd = cpuid(0x80000001u, 0);
  uint64_t state = saved_state(basic);
  uint64_t result = 0;
  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF.
  bool v2 =
      has_all(basic.ecx, bit(0) | bit(9) | bit(13) | bit(19) | bit(20) | bit(23)) && has_all(amd.ecx, bit(0));
  // FMA, MOVBE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT.
  bool v3 = v2 && (state & kAvxState) == kAvxState &&
            has_all(basic.ecx, bit(12) | bit(22) | bit(28) | bit(29)) &&
            has_all(extended.ebx, bit(3) | bit(5) | bit(8)) && has_all(amd.ecx, bit(5));
  // AVX-512 F, DQ, CD, BW, VL.
  bool v4 = v3 && (state & kAvx512State) == kAvx512State &&
            has_all(extended.ebx, bit(16) | bit(17) | bit(28) | bit(30) | bit(31));
  bool amx = (state & kAmxState) == kAmxState && has_all(extended.edx, bit(24));
  if (v2) result |= DLC_CPU_X86_V2;
  if (v3) result |= DLC_CPU_X86_V3;
  if (v4) result |= DLC_CPU_X86_V4;
  if (v3 && has_all(extended1.eax, bit(4))) result |= DLC_CPU_AVX_VNNI;
  if (v4 && has_all(extended.ecx, bit(11))) result |= DLC_CPU_AVX512_VNNI;
  if (v4 && has_all(extended1.eax, bit(5))) result |= DLC_CPU_AVX512_BF16;
  if (v4 && has_all(extended.edx, bit(23))) result |= DLC_CPU_AVX512_FP16;
  if (amx && has_all(extended.edx, bit(25))) result |= DLC_CPU_AMX_INT8;
  if (amx && has_all(extended.edx, bit(22))) result |= DLC_CPU_AMX_BF16;
  return result;
}

#elif defined(__aarch64__)

uint64_t features() {
  constexpr unsigned long kFphp = 1ul << 9, kAsimdhp = 1ul << 10, kDotprod = 1ul << 20;
  constexpr unsigned long kI8mm = 1ul << 13, kBf16 = 1ul << 14;
  unsigned long first = getauxval(AT_HWCAP);
  unsigned long second = getauxval(AT_HWCAP2);
  uint64_t result = 0;
  if ((first & kDotprod) != 0) result |= DLC_CPU_ARM_DOTPROD;
  if ((first & (kFphp | kAsimdhp)) == (kFphp | kAsimdhp)) result |= DLC_CPU_ARM_FP16;
  if ((second & kBf16) != 0) result |= DLC_CPU_ARM_BF16;
  if ((second & kI8mm) != 0) result |= DLC_CPU_ARM_I8MM;
  return result;
}

#else

uint64_t features() { return 0; }

#endif

}  // namespace

extern "C" uint64_t dlc_machine_features(void) {
  // Asking the CPU is slow where it is a virtual one.
  constexpr uint64_t kAsked = uint64_t{1} << 63;
  static std::atomic<uint64_t> known{0};
  uint64_t result = known.load(std::memory_order_relaxed);
  if (result == 0) {
    result = features() | kAsked;
    known.store(result, std::memory_order_relaxed);
  }
  return result & ~kAsked;
}
