// Runs the kernels of a program one by one, each compiled alone, over buffers that end at unreadable pages:
// the generated code without memory plan, entry function and threads.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "codegen/target.h"
#include "ir/kernel/kernel.h"
#include "tests/support/guarded_buffer.h"

namespace dlc::test {

// `program` holds scheduled kernel steps only. Inputs and outputs by border index. Temporaries are filled
// with NaN before the first kernel runs.
std::vector<Tensor> run_kernels(const ir::Program& program, const codegen::Target& target,
                                const std::vector<Tensor>& inputs,
                                const std::map<std::string, int64_t>& symbols = {},
                                Guard guard = Guard::kEnd);

// The targets that this machine can execute, narrowest first.
std::vector<codegen::Target> executable_targets();

Tensor random_floats(std::vector<int64_t> shape, uint32_t seed);

// max |a - b| / max |b|; infinity where shapes differ or a value is NaN on one side only.
double relative_difference(const Tensor& a, const Tensor& b);

}  // namespace dlc::test
