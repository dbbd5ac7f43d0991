// Linking compiled models into files, by LLD in this process.
#pragma once

#include <string>
#include <vector>

#include "runtime/tensor.h"

namespace dlc::codegen {

struct LinkInput {
  std::string name;                  // of the model, as in emit_program()
  std::vector<std::string> objects;  // bytes of the ELF objects, one at least
  Tensor constants;                  // uint8; undefined or empty: none, or in a file
};

// A shared library that needs libc and libm only and exports dlc_model_descriptor and the functions of the
// model's C header. Written atomically. The constants are given up before the linker holds two copies of
// them. Error(kIo) where it cannot be written, Error(kUsage) for another machine than this.
void link_shared_library(LinkInput input, const std::string& path);

// The same of several models' parts, for the exports given instead.
void link_parts(std::vector<LinkInput> parts, const std::vector<std::string>& exports,
                const std::string& path);

// One relocatable object with code and constants; to be linked with libdlcrt.a, libc and libm.
void link_object(LinkInput input, const std::string& path);

// A static library that needs libc and libm only. All that it defines begins with the model's name, the model
// runtime in it is its own: several models link into one program. Errors as of link_shared_library().
void link_archive(LinkInput input, const std::string& path);

// The archive of the model runtime, libdlcrt.a.
std::string_view runtime_archive();

}  // namespace dlc::codegen
