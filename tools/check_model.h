// What of a model would not compile.
#pragma once

#include <string>

#include "passes/options.h"
#include "tools/tool.h"

namespace dlc::tools {

// Prints everything that keeps the model from being compiled, one line a fault. Returns the exit code: failed
// where there is any.
int check_model(const std::string& path, const Shapes& shapes, const passes::Options& options);

}  // namespace dlc::tools
