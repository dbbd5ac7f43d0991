#include "runtime/small_floats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace dlc {
namespace {

struct Case {
  const char* name;
  DType type;
  int bits;
};
constexpr Case kCases[] = {
    {"f16", DType::kFloat16, 16},        {"bf16", DType::kBfloat16, 16},
    {"e4m3fn", DType::kFloat8E4M3FN, 8}, {"e4m3fnuz", DType::kFloat8E4M3FNUZ, 8},
    {"e5m2", DType::kFloat8E5M2, 8},     {"e5m2fnuz", DType::kFloat8E5M2FNUZ, 8},
    {"e2m1", DType::kFloat4E2M1, 4},
};

double decode(const Case& c, int code) { return decode_small_float(c.type, static_cast<uint16_t>(code)); }
int encode(const Case& c, double value) { return encode_small_float(c.type, value); }

TEST(SmallFloats, EveryCodeRoundTrips) {
  for (const Case& c : kCases) {
    for (int code = 0; code < 1 << c.bits; ++code) {
      const double value = decode(c, code);
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(decode(c, encode(c, value)))) << c.name << " " << code;
      } else {
        EXPECT_EQ(encode(c, value), code) << c.name << " " << value;
      }
    }
  }
}

// Between every two neighbours: the middle goes to the even code, what is nearer to one goes to that one.
TEST(SmallFloats, RoundsToNearestEven) {
  for (const Case& c : kCases) {
    const int sign = 1 << (c.bits - 1);
    for (int code = 0; code + 1 < sign; ++code) {
      const double low = decode(c, code), high = decode(c, code + 1);
      if (!std::isfinite(low) || !std::isfinite(high)) continue;
      const double middle = (low + high) / 2;
      const int even = (code & 1) == 0 ? code : code + 1;
      EXPECT_EQ(encode(c, middle), even) << c.name << " " << middle;
      EXPECT_EQ(encode(c, std::nextafter(middle, 0.0)), code) << c.name << " " << middle;
      EXPECT_EQ(encode(c, std::nextafter(middle, INFINITY)), code + 1) << c.name << " " << middle;
      if (even == 0) continue;  // zero has no sign in some formats
      EXPECT_EQ(encode(c, -middle), even | sign) << c.name << " " << middle;
    }
  }
}

TEST(SmallFloats, KnownValues) {
  EXPECT_EQ(decode(kCases[0], 0x7bff), 65504.0);
  EXPECT_EQ(decode(kCases[0], 0x0001), 0x1p-24);
  EXPECT_EQ(encode(kCases[0], 65520.0), 0x7c00);
  EXPECT_EQ(encode(kCases[0], 65519.999), 0x7bff);
  EXPECT_EQ(decode(kCases[1], 0x3f80), 1.0);
  EXPECT_EQ(decode(kCases[2], 0x7e), 448.0);
  EXPECT_EQ(encode(kCases[2], 1000.0), 0x7f);  // no infinity
  EXPECT_TRUE(std::isnan(decode(kCases[2], 0xff)));
  EXPECT_EQ(decode(kCases[3], 0x7f), 240.0);
  EXPECT_EQ(encode(kCases[3], -0.0), 0x00);
  EXPECT_EQ(encode(kCases[3], 1e9), 0x80);
  EXPECT_EQ(decode(kCases[4], 0x7b), 57344.0);
  EXPECT_EQ(encode(kCases[4], 1e9), 0x7c);
  EXPECT_EQ(decode(kCases[5], 0x7f), 57344.0);
  EXPECT_TRUE(std::isnan(decode(kCases[5], 0x80)));
  const std::vector<double> e2m1 = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(decode(kCases[6], i), e2m1[static_cast<size_t>(i)]);
  EXPECT_EQ(encode(kCases[6], 100.0), 7);
  EXPECT_EQ(encode(kCases[6], -INFINITY), 15);
  EXPECT_EQ(decode_float8e8m0(127), 1.0);
  EXPECT_EQ(decode_float8e8m0(0), 0x1p-127);
  EXPECT_EQ(encode_float8e8m0(1.49), 127);
  EXPECT_EQ(encode_float8e8m0(1.5), 128);
  EXPECT_EQ(encode_float8e8m0(0.0), 0);
  EXPECT_EQ(encode_float8e8m0(1e300), 254);
  EXPECT_EQ(encode_float8e8m0(-1.0), 255);
}

// Against the compiler's own half type, over a sample of all floats.
TEST(SmallFloats, AgreesWithTheCompilersHalf) {
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 9973) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (std::isnan(value)) continue;
    const _Float16 half = static_cast<_Float16>(value);
    EXPECT_EQ(float16_from_float(value), std::bit_cast<uint16_t>(half)) << value;
    EXPECT_EQ(float_from_float16(float16_from_float(value)), static_cast<float>(half)) << value;
    EXPECT_EQ(bfloat16_from_float(value), encode_small_float(kBfloat16Format, value)) << value;
  }
}

}  // namespace
}  // namespace dlc
