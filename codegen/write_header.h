// The C header of a model.
#pragma once

#include <string>

#include "codegen/emit_program.h"

namespace dlc::codegen {

// C99, needs nothing but <stdint.h>: a type for a model in memory, structs that name its dims, inputs and
// outputs, and the functions that emit_program() defines.
std::string write_header(const ir::Program& program, const ModelInfo& info);

}  // namespace dlc::codegen
