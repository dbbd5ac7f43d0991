#include "ir/dim.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "runtime/error.h"

namespace dlc::ir {
namespace {

Dim D(std::string_view text) { return Dim::parse(text); }

TEST(Dim, ArithmeticIsCanonical) {
  EXPECT_EQ(D("(a + b) * (a - b)"), D("a*a - b*b"));
  EXPECT_EQ(D("a*b*2 + 3 - b*a"), D("3 + a*b"));
  EXPECT_EQ(D("a - a"), Dim(0));
  EXPECT_FALSE(D("a + 1") == D("a"));
  EXPECT_EQ(D("a*b").hash(), D("b*a").hash());
}

TEST(Dim, DivisionCancelsMultiplesAndCommonFactors) {
  EXPECT_EQ(D("floordiv(4*s, 4)"), D("s"));
  EXPECT_EQ(D("floordiv(4*s + 3, 4)"), D("s"));
  EXPECT_EQ(D("floordiv(4*s + 5, 4)"), D("s + 1"));
  EXPECT_EQ(D("floordiv(2*s + 2, 4)"), D("floordiv(s + 1, 2)"));
  EXPECT_EQ(D("floordiv(s - 3, 2) + 1"), D("floordiv(s + 1, 2) - 1"));
  EXPECT_EQ(D("floordiv(floordiv(s + 1, 2) + 1, 2)"), D("floordiv(s + 3, 4)"));
  EXPECT_EQ(D("floordiv(a*b*c, b*c)"), D("a"));
  EXPECT_EQ(D("floordiv(a*b*6, b*4)"), D("floordiv(3*a, 2)"));
  EXPECT_EQ(D("floordiv(a*b + 1, b)"), D("a + floordiv(1, b)"));
  EXPECT_EQ(D("mod(4*s + 6, 4)"), Dim(2));
  EXPECT_EQ(D("mod(s, 4) + 4*floordiv(s, 4)"), D("s"));
  EXPECT_EQ(D("ceildiv(s, 2)"), D("floordiv(s + 1, 2)"));
  EXPECT_EQ(D("floordiv(-7, 2)"), Dim(-4));
}

TEST(Dim, PaddingToAMultipleDividesExactly) {
  Dim padded = D("h + mod(-h, 7)");
  EXPECT_EQ(floor_div(padded, 7) * 7, padded);
}

TEST(Dim, ExactDivisionIsPolynomial) {
  EXPECT_EQ(divide_exact(D("a*b*c"), D("b")), D("a*c"));
  EXPECT_EQ(divide_exact(D("a*a - b*b"), D("a + b")), D("a - b"));
  EXPECT_EQ(divide_exact(D("12*a*s + 24*a"), D("12*a")), D("s + 2"));
  EXPECT_EQ(divide_exact(D("a + 1"), D("a")), std::nullopt);
  EXPECT_EQ(divide_exact(D("3*a"), D("2")), std::nullopt);
  EXPECT_EQ(divide_exact(D("a"), D("0")), std::nullopt);
}

TEST(Dim, MinAndMaxUseBounds) {
  EXPECT_EQ(D("max(s, 0)"), D("s"));
  EXPECT_EQ(D("min(s, s + 1)"), D("s"));
  EXPECT_EQ(D("min(5, min(s, 5))"), D("min(s, 5)"));
  EXPECT_EQ(D("max(a, b)"), D("max(b, a)"));
  EXPECT_EQ(D("max(min(s, 5), 0)"), D("min(5, s)"));
  EXPECT_FALSE(D("max($offset, 0)") == D("$offset"));
  EXPECT_EQ(lower_bound(D("floordiv(s + 6, 4)")), 1);
  EXPECT_EQ(upper_bound(D("min(s, 7) + 1")), 8);
  EXPECT_EQ(lower_bound(D("a - b")), std::nullopt);
}

TEST(Dim, BroadcastKeepsWhatIsKnown) {
  EXPECT_EQ(D("bcast(a, 1)"), D("a"));
  EXPECT_EQ(D("bcast(a, a)"), D("a"));
  EXPECT_EQ(D("bcast(a, 3)"), Dim(3));
  EXPECT_EQ(D("bcast(bcast(a, b), a)"), D("bcast(a, b)"));
  EXPECT_EQ(D("bcast(a, b)"), D("bcast(b, a)"));
  EXPECT_EQ(D("bcast(a + 2, b)"), D("a + 2"));
  EXPECT_THROW(D("bcast(2, 3)"), Error);
}

TEST(Dim, BroadcastOfACappedExtentIsTheWholeOne) {
  EXPECT_EQ(D("bcast(a, min(512, a))"), D("a"));
  EXPECT_EQ(D("bcast(min(a, b + 2), a)"), D("a"));
  EXPECT_NE(D("bcast(a, min(b, a))"), D("a"));  // b may be 1 where a is not
  EXPECT_TRUE(is_capped(D("min(2, a)"), D("a")));
  EXPECT_FALSE(is_capped(D("min(2, a)"), D("b")));
  EXPECT_FALSE(is_capped(D("a"), D("a")));
}

TEST(Dim, OperandsOfABroadcastAlwaysFitIt) {
  EXPECT_TRUE(always_broadcasts(D("a"), D("a")));
  EXPECT_TRUE(always_broadcasts(D("c"), D("bcast(a, bcast(b, c))")));
  EXPECT_FALSE(always_broadcasts(D("a"), Dim(5)));
  EXPECT_FALSE(always_broadcasts(D("min(512, a)"), D("a")));
}

TEST(Dim, TextRoundTrips) {
  for (const char* text : {"2*sequence + 1", "floordiv(h + 1, 2) - 1", "-a + 3", "min(a, b)*c", "0", "-7",
                           "`odd name/0`*2", "$x + 1", "bcast(a, b)"}) {
    EXPECT_EQ(D(D(text).to_string()), D(text)) << text;
  }
  EXPECT_EQ(Dim(INT64_MIN).to_string(), "-9223372036854775808");
  EXPECT_EQ(D("1 + sequence*2").to_string(), "2*sequence + 1");
  EXPECT_EQ(D("floordiv(h + -3, 2) + 1").to_string(), "floordiv(h + 1, 2) - 1");
  EXPECT_EQ(D("`odd name`").symbol_name(), "odd name");
}

TEST(Dim, MalformedTextIsAnError) {
  for (const char* text :
       {"", "a +", "floordiv(a)", "1a", "foo(a, b)", "a b", "99999999999999999999", "`x"}) {
    EXPECT_THROW(D(text), Error) << text;
  }
  EXPECT_THROW(D(std::string(1000, '(')), Error);
}

TEST(Dim, OverflowIsAnError) {
  EXPECT_THROW(Dim(INT64_MAX) + Dim(1), Error);
  EXPECT_THROW(D("a").substitute({{"a", Dim(INT64_MAX)}}) * Dim(2), Error);
  EXPECT_THROW(D("a*a").evaluate([](const std::string&) { return int64_t{1} << 40; }), Error);
  EXPECT_THROW(D("floordiv(a, b)").evaluate([](const std::string&) { return 0; }), Error);
}

// Random expressions, built once as Dims and once as numbers.
class Random {
 public:
  explicit Random(uint32_t seed) : generator_(seed) {}
  int64_t number(int64_t low, int64_t high) { return std::uniform_int_distribution(low, high)(generator_); }

  std::pair<Dim, int64_t> expression(int depth) {
    if (depth == 0) {
      if (number(0, 2) == 0) {
        int64_t value = number(-4, 6);
        return {value, value};
      }
      size_t i = static_cast<size_t>(number(0, 2));
      return {Dim::symbol(kNames[i]), values_[i]};
    }
    auto [a, x] = expression(depth - 1);
    auto [b, y] = expression(depth - 1);
    switch (number(0, 6)) {
      case 0:
        return {a + b, x + y};
      case 1:
        return {a - b, x - y};
      case 2:
        return {a * b, x * y};
      case 3:
        return {min(a, b), std::min(x, y)};
      case 4:
        return {max(a, b), std::max(x, y)};
      case 5:
        return y == 0 || b == Dim(0) ? std::pair{a, x} : std::pair{floor_div(a, b), quotient(x, y)};
      default:
        return y == 0 || b == Dim(0) ? std::pair{b, y} : std::pair{mod(a, b), x - y * quotient(x, y)};
    }
  }

  std::array<int64_t, 3> values_ = {};
  static constexpr std::array<const char*, 3> kNames = {"a", "b", "c"};

 private:
  static int64_t quotient(int64_t x, int64_t y) {
    return static_cast<int64_t>(std::floor(static_cast<double>(x) / static_cast<double>(y)));
  }
  std::mt19937 generator_;
};

TEST(Dim, SimplificationKeepsTheValue) {
  constexpr uint32_t kSeed = 7;
  Random random(kSeed);
  int compared = 0;
  for (int i = 0; i < 4000; ++i) {
    for (int64_t& value : random.values_) value = random.number(0, 9);
    auto [dim, expected] = random.expression(3);
    auto value_of = [&](const std::string& name) {
      return random.values_[static_cast<size_t>(name[0] - 'a')];
    };
    int64_t found;
    try {
      found = dim.evaluate(value_of);
    } catch (const Error&) {
      continue;  // an inner division by zero that the value does not depend on
    }
    ++compared;
    ASSERT_EQ(found, expected) << dim.to_string() << " seed " << kSeed << " case " << i;
    ASSERT_EQ(Dim::parse(dim.to_string()), dim) << dim.to_string();
    auto low = lower_bound(dim);
    auto high = upper_bound(dim);
    ASSERT_LE(low.value_or(expected), expected) << dim.to_string();
    ASSERT_GE(high.value_or(expected), expected) << dim.to_string();
  }
  EXPECT_GT(compared, 3800);
}

}  // namespace
}  // namespace dlc::ir
