// Where the time of a run goes.
#pragma once

#include <string>
#include <vector>

#include "runtime/program.h"

namespace dlc::tools {

// The kernel times of the fastest of some runs. Error(kUsage) when the model was compiled without profiling.
std::vector<runtime::KernelTime> measure_kernels(const runtime::Program& program,
                                                 const std::vector<Value>& inputs, int threads,
                                                 double seconds);

// Measures, writes the trace to a file and prints the table.
void write_profile(const runtime::Program& program, const std::vector<Value>& inputs, int threads,
                   double seconds, const std::string& file);

// A trace in Chrome's format: one event a kernel, with flops, bytes, GFLOP/s and GB/s.
std::string format_trace(const std::string& model, const std::vector<runtime::KernelTime>& times);
// Kernels by time, those of the same name and origin together.
std::string format_table(const std::vector<runtime::KernelTime>& times, size_t rows = 30);

}  // namespace dlc::tools
