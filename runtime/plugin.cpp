#include "runtime/plugin.h"

#include <dlfcn.h>

#include "runtime/error.h"
#include "runtime/kernels/load_beside.h"

namespace dlc::runtime {

Plugin::Plugin(const std::string& library)
    : library_(library), handle_(kernels::load_beside(library.c_str())) {
  if (handle_ != nullptr) return;
  const char* reason = dlerror();
  fail(ErrorKind::kResource, "{} cannot be loaded: {}", library, reason == nullptr ? "no reason" : reason);
}

void* Plugin::find(const char* name) const {
  void* address = dlsym(handle_, name);
  if (address == nullptr)
    fail(ErrorKind::kResource, "{} is of another version: it has no {}", library_, name);
  return address;
}

}  // namespace dlc::runtime
