// Sums over the processes that train together, in the graph of a step.
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"
#include "runtime/training/step.h"

namespace dlc::passes {

// Values go out as soon as they are computed, and their sums come back behind the last of them, so that what
// is computed in between hides the way there and back. The graph that it makes is the same in all processes.
class ProcessSum {
 public:
  explicit ProcessSum(ir::Graph& graph) : graph_(graph) {}

  // Of a value that depends on inputs alone, through little work: that is done first in the step.
  ir::Value* add_first(ir::Value* value);
  // Of values (f16 to f64), in their order; requires add_first(). They go out in the order in which the graph
  // computes them. To be called once.
  std::vector<ir::Value*> add(std::span<ir::Value* const> values);

  const std::vector<training::ExchangedPart>& parts() const { return parts_; }  // by their places

 private:
  ir::Value* give(ir::Value* value, ir::Node* before);
  ir::Value* take(const ir::Value& value, int64_t place);

  ir::Graph& graph_;
  ir::Value* last_ = nullptr;  // what the Give before has given
  std::vector<training::ExchangedPart> parts_;
};

}  // namespace dlc::passes
