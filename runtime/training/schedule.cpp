#include "runtime/training/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace dlc::training {
namespace {

// From 1 to 0 along half a cosine.
double cosine(double progress) { return 0.5 * (1 + std::cos(std::numbers::pi * progress)); }

double between(double last, double share) { return last + (1 - last) * share; }

// Of a cycle that begins at a 25th of the rate and reaches it after three tenths of the steps.
double one_cycle(double progress, double last) {
  constexpr double kRise = 0.3;
  constexpr double kStart = 0.04;
  if (progress < kRise) return between(kStart, 1 - cosine(progress / kRise));
  return between(last, cosine((progress - kRise) / (1 - kRise)));
}

}  // namespace

Schedule::Schedule(const ScheduleOptions& options, double rate, int64_t steps)
    : options_(options), rate_(rate), steps_(static_cast<double>(std::max<int64_t>(steps, 1))) {
  warmup_ = options.warmup < 1 ? std::floor(options.warmup * steps_) : options.warmup;
}

double Schedule::rate(int64_t step) const {
  auto at = static_cast<double>(step);
  if (at < warmup_) return rate_ * (at + 1) / warmup_;
  double progress = std::min(1.0, (at - warmup_) / std::max(1.0, steps_ - warmup_));
  switch (options_.kind) {
    case ScheduleKind::kConstant:
      return rate_;
    case ScheduleKind::kStep: {
      double every = options_.every < 1 ? std::max(1.0, options_.every * steps_) : options_.every;
      return rate_ * std::pow(options_.factor, std::floor(at / every));
    }
    case ScheduleKind::kLinear:
      return rate_ * between(options_.final, 1 - progress);
    case ScheduleKind::kCosine:
      return rate_ * between(options_.final, cosine(progress));
    case ScheduleKind::kOneCycle:
      return rate_ * one_cycle(progress, options_.final);
    case ScheduleKind::kPlateau:
      return rate_ * memory_.scale;
  }
  return rate_;
}

void Schedule::observe(double loss) {
  if (options_.kind != ScheduleKind::kPlateau) return;
  if (memory_.waited < 0 && std::isnan(loss)) return;
  if (memory_.waited < 0 || loss < memory_.best) {
    memory_.best = loss;
    memory_.waited = 0;
  } else if (++memory_.waited > options_.patience) {
    memory_.scale *= options_.factor;
    memory_.waited = 0;
  }
}

}  // namespace dlc::training
