// Runs of a program whose accesses out of bounds kill the test.
#pragma once

#include <vector>

#include "runtime/program.h"
#include "tests/support/guarded_buffer.h"

namespace dlc::test {

// Inputs, outputs and planned memory lie between unreadable pages; planned memory is filled with NaN before.
// `like` gives the shapes and types of the outputs' memory; empty: the context makes it. Strings, which have
// no memory of their own, run without guards.
std::vector<Tensor> run_guarded(const runtime::Program& program, const std::vector<Tensor>& inputs,
                                const std::vector<Tensor>& like, Guard guard);

}  // namespace dlc::test
