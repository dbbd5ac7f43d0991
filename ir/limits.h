// Limits of what a model may ask for, unless a user sets others.
#pragma once

#include <cstdint>

namespace dlc::ir {

// Iterations that a Loop may run.
constexpr int64_t kMaxIterations = 100'000'000;

}  // namespace dlc::ir
