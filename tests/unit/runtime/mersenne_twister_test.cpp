// The numbers that NumPy draws, against the standard library's generator and two that NumPy has printed.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "runtime/kernels/kernels.h"

namespace dlc::test {
namespace {

std::vector<double> drawn(int64_t count, int64_t seed) {
  std::vector<double> numbers(static_cast<size_t>(count));
  dlc_call_tensor output{numbers.data(), &count, 1, 11, 0};
  const int64_t params[] = {count, seed};
  EXPECT_EQ(dlc_mersenne_twister(nullptr, nullptr, &output, params), DLC_OK);
  return numbers;
}

// More than one round of the generator's 624 words.
TEST(MersenneTwister, DrawsFiftyThreeBitsOfTwoWords) {
  for (const uint32_t seed : {0U, 1U, 5489U, 0xffffffffU}) {
    std::mt19937 generator(seed);
    for (const double number : drawn(2000, seed)) {
      const uint32_t high = generator() >> 5, low = generator() >> 6;
      ASSERT_EQ(number, (high * 0x1p26 + low) * 0x1p-53) << "seed " << seed;
    }
  }
}

// numpy.random.RandomState(0).random_sample(2)
TEST(MersenneTwister, DrawsWhatNumPyDraws) {
  EXPECT_EQ(drawn(2, 0), (std::vector<double>{0.5488135039273248, 0.7151893663724195}));
}

TEST(MersenneTwister, DrawsNothingWhereNothingIsAskedFor) { EXPECT_TRUE(drawn(0, 7).empty()); }

}  // namespace
}  // namespace dlc::test
