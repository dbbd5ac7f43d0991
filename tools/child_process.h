// Work that may crash, in processes of its own.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace dlc::tools {

// Calls work(i) for each i below `count` in a forked process, `jobs` at a time, and done(i, result) here in
// order. The result of a process that crashes or takes longer than the limit says so.
void run_in_processes(size_t count, int jobs, int timeout_seconds,
                      const std::function<std::string(size_t)>& work,
                      const std::function<void(size_t, const std::string&)>& done);

}  // namespace dlc::tools
