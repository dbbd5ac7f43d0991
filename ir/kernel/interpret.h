// The reference semantics of Kernel IR: evaluates a program on tensors, one scalar at a time.
#pragma once

#include <functional>
#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::ir {

// A call of a runtime kernel as the interpreter makes it. Inputs are dense; an absent one is an undefined
// Tensor.
struct CallRequest {
  const Call& call;
  std::vector<Tensor> inputs;
  std::vector<int64_t> params;
  // Types of the outputs; the extent is -1 where the callee decides it.
  std::vector<DType> output_types;
  std::vector<std::vector<int64_t>> output_shapes;
};

struct InterpretOptions {
  // Sums and products of float32 reductions and contractions, and what they sum, are held in double.
  bool double_accumulation = false;
  // Returns the outputs. Without it, a program with a call is an Error(kInternal).
  std::function<std::vector<Tensor>(const CallRequest&)> call = {};
  // Called after every kernel with the buffers that it wrote, for comparisons value by value.
  std::function<void(const Kernel&, BufferId, const Tensor&)> on_write = {};
};

// Inputs by border index -> outputs by border index. Error(kData) where an input does not fit, a bound value
// is out of its range or a check fails; Error(kInternal) for an access outside of a buffer. Memory is filled
// with 0xff before its first use (NaN in floats). Storage orders and schedules have no influence.
std::vector<Tensor> interpret(const Program& program, const std::vector<Tensor>& inputs,
                              const InterpretOptions& options = {});

}  // namespace dlc::ir
