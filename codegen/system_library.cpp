#include "codegen/system_library.h"

#include <dlfcn.h>
#include <link.h>

#include "runtime/error.h"

namespace dlc::codegen {

std::string system_library_path(const char* name) {
  void* handle = dlopen(name, RTLD_LAZY);
  if (handle == nullptr) fail(ErrorKind::kResource, "{} is not there to link with: {}", name, dlerror());
  struct link_map* map = nullptr;
  bool is_known = dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0;
  std::string path = is_known ? map->l_name : "";
  dlclose(handle);
  if (path.empty()) fail(ErrorKind::kResource, "the file of {} is not known", name);
  return path;
}

}  // namespace dlc::codegen
