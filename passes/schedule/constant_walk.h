// How an operand of a contraction walks through constant data.
#pragma once

#include <map>
#include <optional>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// In elements: where the operand starts, and its step along the variable of every axis.
struct ConstantWalk {
  int64_t start = 0;
  std::map<ir::VarId, int64_t> step;
};

// Of the operand B. Nothing if its data is not constant, or not walked by constant steps.
std::optional<ConstantWalk> constant_walk(const ir::Program& program, const ir::Contraction& contraction);

}  // namespace dlc::passes
