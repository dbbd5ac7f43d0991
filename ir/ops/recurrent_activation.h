// The activation functions of recurrent layers, as their attributes name them.
#pragma once

#include <string>
#include <vector>

#include "ir/kernel/expr.h"
#include "ir/op.h"

namespace dlc::ir {

enum class GateFunction : uint8_t {
  kRelu,
  kTanh,
  kSigmoid,
  kAffine,
  kLeakyRelu,
  kThresholdedRelu,
  kScaledTanh,
  kHardSigmoid,
  kElu,
  kSoftsign,
  kSoftplus,
};

struct GateActivation {
  GateFunction function;
  double alpha = 0;
  double beta = 0;
};

// The activations of all gates, direction after direction; `defaults` are those of one direction. Error for
// unknown names and missing ones.
std::vector<GateActivation> gate_activations(const Node& node, const std::vector<std::string>& defaults,
                                             size_t directions);

Expr apply(const GateActivation& activation, const Expr& x);

}  // namespace dlc::ir
