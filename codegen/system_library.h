// The C library of this machine, as models are linked with it.
#pragma once

#include <string>

namespace dlc::codegen {

// The file that this process loads as `name`, for example "libm.so.6". Error(kResource) if there is none.
std::string system_library_path(const char* name);

}  // namespace dlc::codegen
