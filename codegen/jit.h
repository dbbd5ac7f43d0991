// Linking a compiled model in memory.
#pragma once

#include <string>

#include "runtime/program.h"

namespace dlc::codegen {

// The object's code runs in this process; what it needs of the model runtime is this library's own copy.
// `constants` is what the model's constants symbol stands for. Error(kInternal) where the object does not
// link.
runtime::Program load_object(const std::string& object, const Tensor& constants,
                             const std::string& model_name);

}  // namespace dlc::codegen
