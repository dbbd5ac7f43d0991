// Runs of a program whose accesses out of bounds kill the test.
#pragma once

#include <vector>

#include "runtime/program.h"
#include "tests/support/guarded_buffer.h"

namespace dlc::test {

// Inputs, outputs and planned memory lie between unreadable pages; planned memory is filled with NaN before.
// `like` gives the shapes and types of the outputs' memory; empty: the context makes it. Where an input or
// output is no tensor of numbers, only planned memory is guarded; there are two runs then, the second with
// the values' memory of the first.
std::vector<Value> run_guarded(const runtime::Program& program, const std::vector<Value>& inputs,
                               const std::vector<Value>& like, Guard guard);

}  // namespace dlc::test
