// Linking a compiled model in memory.
#pragma once

#include <string>
#include <vector>

#include "runtime/program.h"

namespace dlc::codegen {

// The objects' code runs in this process; what it needs of the model runtime is this library's own copy.
// `constants` is what the model's constants symbol stands for. Error(kInternal) where they do not link.
runtime::Program load_objects(const std::vector<std::string>& objects, const Tensor& constants,
                              const std::string& model_name);

}  // namespace dlc::codegen
