// What all readers of files do alike.
#pragma once

#include <exception>
#include <filesystem>
#include <new>
#include <string>

#include "runtime/error.h"

namespace dlc::frontend {

// Calls `read`; whatever it throws becomes an Error that names the source.
template <class Read>
auto guarded(const std::string& source, Read&& read) {
  try {
    return read();
  } catch (Error& error) {
    throw error.add_context(source);
  } catch (const std::bad_alloc&) {
    fail(ErrorKind::kResource, "{}: out of memory", source);
  } catch (const std::exception& error) {
    // What the ONNX library finds wrong with a model.
    fail(ErrorKind::kModel, "{}: {}", source, error.what());
  }
}

// Where the data of a file lies that it does not hold itself.
inline std::string folder_of(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

}  // namespace dlc::frontend
