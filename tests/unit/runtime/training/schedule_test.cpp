#include "runtime/training/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace dlc::training {
namespace {

constexpr double kRate = 0.5;
constexpr int64_t kSteps = 100;

double rate(const ScheduleOptions& options, int64_t step) {
  return Schedule(options, kRate, kSteps).rate(step);
}

TEST(Schedule, FollowsItsFormula) {
  EXPECT_EQ(rate({}, 0), kRate);
  EXPECT_EQ(rate({}, 99), kRate);
  const ScheduleOptions step{.kind = ScheduleKind::kStep, .factor = 0.1, .every = 30};
  EXPECT_DOUBLE_EQ(rate(step, 29), kRate);
  EXPECT_DOUBLE_EQ(rate(step, 30), kRate * 0.1);
  EXPECT_DOUBLE_EQ(rate(step, 90), kRate * 0.001);
  const ScheduleOptions share{.kind = ScheduleKind::kStep, .factor = 0.5, .every = 0.25};
  EXPECT_DOUBLE_EQ(rate(share, 24), kRate);
  EXPECT_DOUBLE_EQ(rate(share, 25), kRate / 2);
  const ScheduleOptions linear{.kind = ScheduleKind::kLinear, .final = 0.2};
  EXPECT_DOUBLE_EQ(rate(linear, 0), kRate);
  EXPECT_DOUBLE_EQ(rate(linear, 50), kRate * 0.6);
  EXPECT_DOUBLE_EQ(rate(linear, 100), kRate * 0.2);
  EXPECT_DOUBLE_EQ(rate(linear, 1000), kRate * 0.2);
  const ScheduleOptions cosine{.kind = ScheduleKind::kCosine};
  for (int64_t i = 0; i <= kSteps; ++i) {
    EXPECT_NEAR(rate(cosine, i), kRate * 0.5 * (1 + std::cos(M_PI * static_cast<double>(i) / kSteps)), 1e-12);
  }
}

TEST(Schedule, WarmsUp) {
  for (double warmup : {10.0, 0.1}) {
    const ScheduleOptions options{.kind = ScheduleKind::kLinear, .warmup = warmup};
    EXPECT_DOUBLE_EQ(rate(options, 0), kRate * 0.1);
    EXPECT_DOUBLE_EQ(rate(options, 9), kRate);
    EXPECT_DOUBLE_EQ(rate(options, 10), kRate);
    EXPECT_DOUBLE_EQ(rate(options, 55), kRate * 0.5) << "half of the steps that are left";
  }
}

// As PyTorch's OneCycleLR with pct_start 0.3, div_factor 25 and cosines.
TEST(Schedule, GoesThroughOneCycle) {
  const ScheduleOptions options{.kind = ScheduleKind::kOneCycle, .final = 0.01};
  EXPECT_NEAR(rate(options, 0), kRate / 25, 1e-12);
  EXPECT_NEAR(rate(options, 15), kRate * (0.04 + 0.96 / 2), 1e-12);
  EXPECT_NEAR(rate(options, 30), kRate, 1e-12);
  EXPECT_NEAR(rate(options, 65), kRate * (0.01 + 0.99 / 2), 1e-12);
  EXPECT_NEAR(rate(options, 100), kRate * 0.01, 1e-12);
}

TEST(Schedule, LowersTheRateOnAPlateau) {
  const ScheduleOptions options{.kind = ScheduleKind::kPlateau, .factor = 0.5, .patience = 1};
  Schedule schedule(options, kRate, kSteps);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double losses[] = {nan, 3, 2, 2, 2, 1, nan, 1};
  const double scales[] = {1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25};
  for (size_t i = 0; i < std::size(losses); ++i) {
    schedule.observe(losses[i]);
    EXPECT_DOUBLE_EQ(schedule.rate(7), kRate * scales[i]) << "after epoch " << i;
  }
  Schedule resumed(options, kRate, kSteps);
  resumed.set_memory(schedule.memory());
  EXPECT_EQ(resumed.rate(7), schedule.rate(7));
}

}  // namespace
}  // namespace dlc::training
