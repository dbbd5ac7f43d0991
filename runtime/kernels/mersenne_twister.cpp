// The 32-bit Mersenne Twister of Matsumoto and Nishimura, and the doubles that NumPy's RandomState makes of
// it.
#include "runtime/kernels/kernels.h"

namespace {

constexpr int kWords = 624;
constexpr int kDistance = 397;

class Twister {
 public:
  explicit Twister(uint32_t seed) {
    for (uint32_t i = 0; i < kWords; ++i) {
      state_[i] = seed;
      seed = 1812433253U * (seed ^ (seed >> 30)) + i + 1;
    }
  }

  uint32_t next() {
    if (position_ == kWords) renew();
    uint32_t y = state_[position_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680U;
    y ^= (y << 15) & 0xefc60000U;
    return y ^ (y >> 18);
  }

  // In [0, 1): 53 bits of two words.
  double next_double() {
    const uint32_t high = next() >> 5, low = next() >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

 private:
  void renew() {
    for (int i = 0; i < kWords; ++i) {
      const uint32_t y = (state_[i] & 0x80000000U) | (state_[(i + 1) % kWords] & 0x7fffffffU);
      state_[i] = state_[(i + kDistance) % kWords] ^ (y >> 1) ^ ((y & 1) != 0 ? 0x9908b0dfU : 0U);
    }
    position_ = 0;
  }

  uint32_t state_[kWords];
  int position_ = kWords;
};

}  // namespace

extern "C" int32_t dlc_mersenne_twister(dlc_frame*, dlc_call_tensor*, dlc_call_tensor* outputs,
                                        const int64_t* params) {
  Twister twister(static_cast<uint32_t>(params[1]));
  double* drawn = static_cast<double*>(outputs[0].data);
  for (int64_t i = 0; i < params[0]; ++i) drawn[i] = twister.next_double();
  return DLC_OK;
}
