// Libraries that are loaded when they are first needed.
#pragma once

namespace dlc::kernels {

// Where the loader looks; then beside the library that this code is in and beside the program, or in ../lib
// or .. of these. Null: not there.
void* load_beside(const char* library);

}  // namespace dlc::kernels
