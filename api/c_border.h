// What the functions of the C API have in common: nothing is thrown across the border.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "runtime/error.h"
#include "runtime/model/types.h"

namespace dlc::api {

// The status of a fault, whose text dlc_last_error() gives from now on.
int32_t record(int32_t status, const char* text) noexcept;
int32_t status_of(ErrorKind kind);
const char* last_error() noexcept;  // of this thread

// Runs `work`; whatever it throws becomes a status and a text. `resource`: the status where the machine is at
// fault.
template <class Work>
int32_t guarded(Work&& work, int32_t resource = DLC_UNSUPPORTED) noexcept {
  try {
    work();
    return DLC_OK;
  } catch (const Error& error) {
    return record(error.kind() == ErrorKind::kResource ? resource : status_of(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    return record(DLC_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return record(DLC_INTERNAL, error.what());
  }
}

template <class T>
void require(const T* argument, const char* name) {
  if (argument == nullptr) fail(ErrorKind::kUsage, "the argument '{}' is null", name);
}

// The options with zeros for what the caller's version of the struct lacks.
template <class Options>
Options complete(const Options* options) {
  Options result = {};
  if (options == nullptr) return result;
  if (options->struct_size == 0)
    fail(ErrorKind::kUsage, "the options' struct_size is 0; expected their sizeof");
  std::memcpy(&result, options, std::min<size_t>(options->struct_size, sizeof result));
  return result;
}

inline std::string text_or_empty(const char* text) { return text == nullptr ? "" : text; }

}  // namespace dlc::api
