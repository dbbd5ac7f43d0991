// Loading compiled libraries.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <dlfcn.h>
#include <elf.h>

#include "runtime/error.h"
#include "runtime/program.h"
#include "runtime/weights_file.h"

namespace dlc::runtime {
namespace {

constexpr const char* kDescriptorSymbol = "dlc_model_descriptor";

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#endif

const char* machine_name(Elf64_Half machine) {
  if (machine == EM_X86_64) return "x86-64";
  if (machine == EM_AARCH64) return "aarch64";
  return "another machine";
}

// Looks at the file before the loader does, whose messages say little and whose checks are few.
void check_elf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Elf64_Ehdr header = {};
  if (!file) fail(ErrorKind::kIo, "cannot open '{}': {}", path, std::strerror(errno));
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  bool is_library = file.gcount() == sizeof header && std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
                    header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_type == ET_DYN;
  if (!is_library) fail(ErrorKind::kModel, "'{}' is no shared library", path);
  if (header.e_machine != kMachine) {
    fail(ErrorKind::kModel, "'{}' is for {}, expected {}", path, machine_name(header.e_machine),
         machine_name(kMachine));
  }
  // The section headers come last: without them the file is cut off.
  file.seekg(0, std::ios::end);
  uint64_t needed = header.e_shoff + uint64_t{header.e_shnum} * header.e_shentsize;
  if (static_cast<uint64_t>(file.tellg()) < needed) fail(ErrorKind::kModel, "'{}' is cut off", path);
}

std::string last_loader_error() {
  const char* text = dlerror();
  return text == nullptr ? "unknown error" : text;
}

Program make_program(const dlc_model* model, const std::shared_ptr<const void>& library,
                     const std::string& weights_file) {
  Program program(model, nullptr, library);  // checks the descriptor
  if (model->constants != nullptr || model->constants_size == 0) return program;
  if (weights_file.empty())
    fail(ErrorKind::kUsage, "the weights of this model are in a file of their own: name it (--weights)");
  MappedConstants constants = map_weights_file(weights_file, model->content_hash, model->constants_size);
  using Owners = std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>;
  return Program(model, constants.data, std::make_shared<Owners>(library, constants.owner));
}

}  // namespace

Program load_library(const std::string& path, const std::string& weights_file) {
  check_elf(path);
  // A name without a slash is searched for in system folders.
  std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) fail(ErrorKind::kModel, "cannot load '{}': {}", path, last_loader_error());
  std::shared_ptr<const void> library(handle, [](const void* p) { dlclose(const_cast<void*>(p)); });
  auto* model = static_cast<const dlc_model*>(dlsym(handle, kDescriptorSymbol));
  if (model == nullptr) fail(ErrorKind::kModel, "'{}' is no compiled model of dlc", path);
  try {
    return make_program(model, library, weights_file);
  } catch (Error& error) {
    error.add_context(path);
    throw;
  }
}

}  // namespace dlc::runtime
