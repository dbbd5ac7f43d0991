// Which kernels the operators of a model got.
#pragma once

#include <string>

#include "codegen/compile.h"

namespace dlc::tools {

// One line a kernel: the operator that it begins with, the operators that it holds, how it runs. Then a line
// for every operator that could have had a better one.
std::string format_choices(const codegen::CompileReport& report);

}  // namespace dlc::tools
