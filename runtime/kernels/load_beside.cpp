#include "runtime/kernels/load_beside.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

namespace dlc::kernels {
namespace {

// In the folder of a file, or where libraries lie beside that of programs.
void* load_near(const char* file, const char* library) {
  const char* end = strrchr(file, '/');
  const int length = end == nullptr ? 0 : static_cast<int>(end - file) + 1;
  constexpr const char* kFolders[] = {"", "../lib/", "../"};
  for (const char* folder : kFolders) {
    char path[4096];
    const int size = snprintf(path, sizeof(path), "%.*s%s%s", length, file, folder, library);
    if (size < 0 || size >= static_cast<int>(sizeof(path))) continue;
    if (void* loaded = dlopen(path, RTLD_NOW)) return loaded;
  }
  return nullptr;
}

}  // namespace

void* load_beside(const char* library) {
  if (void* loaded = dlopen(library, RTLD_NOW)) return loaded;
  Dl_info self;
  if (dladdr(reinterpret_cast<const void*>(&load_beside), &self) != 0) {
    if (void* loaded = load_near(self.dli_fname, library)) return loaded;
  }
  char program[4096];
  const ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
  if (size <= 0) return nullptr;
  program[size] = '\0';
  return load_near(program, library);
}

}  // namespace dlc::kernels
