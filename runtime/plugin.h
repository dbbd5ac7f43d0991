// Parts of dlc that are libraries of their own, because what they need is not everywhere.
#pragma once

#include <string>

namespace dlc::runtime {

class Plugin {
 public:
  // "libdlc_mpi.so.0", searched for where libraries are, beside libdlc and beside the program. It stays
  // loaded. Error(kResource) with the loader's reason.
  explicit Plugin(const std::string& library);

  // A function by its name. Error(kResource): the library is of another version.
  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(find(name));
  }

 private:
  void* find(const char* name) const;

  std::string library_;
  void* handle_;
};

}  // namespace dlc::runtime
