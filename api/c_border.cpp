#include "api/c_border.h"

namespace dlc::api {
namespace {

thread_local std::string last_error_text;

}  // namespace

int32_t status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return DLC_INVALID_ARGUMENT;
    case ErrorKind::kModel:
      return DLC_INVALID_MODEL;
    case ErrorKind::kData:
      return DLC_INVALID_INPUT;
    case ErrorKind::kIo:
      return DLC_IO;
    case ErrorKind::kResource:
      return DLC_UNSUPPORTED;
    case ErrorKind::kInternal:
      return DLC_INTERNAL;
  }
  return DLC_INTERNAL;
}

int32_t record(int32_t status, const char* text) noexcept {
  try {
    last_error_text = text;
  } catch (const std::bad_alloc&) {
    last_error_text.clear();
  }
  return status;
}

const char* last_error() noexcept { return last_error_text.c_str(); }

}  // namespace dlc::api
