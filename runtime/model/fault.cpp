// Texts of faults.

#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "runtime/model/context.h"

namespace dlc::model {

int32_t fault(dlc_context* context, int32_t status, const char* format, ...) {
  if (context == nullptr) return status;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(context->error, sizeof context->error, format, arguments);
  va_end(arguments);
  return status;
}

}  // namespace dlc::model

extern "C" {

// The format is one that the compiler wrote; arguments beyond those it names are ignored.
int32_t dlc_fail(dlc_frame* frame, int32_t status, const char* format, int64_t a, int64_t b) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
  return dlc::model::fault(frame->context, status, format, static_cast<long long>(a),
                           static_cast<long long>(b));
#pragma GCC diagnostic pop
}

int32_t dlc_fail_in(dlc_frame* frame, int32_t status, const char* origin) {
  dlc_context* context = frame->context;
  if (context == nullptr) return status;
  char text[sizeof context->error];
  const char* fault = context->error[0] != '\0' ? context->error : dlc_status_text(status);
  snprintf(text, sizeof text, "%.300s: %.700s", origin, fault);
  memcpy(context->error, text, sizeof text);
  return status;
}

const char* dlc_context_error(const dlc_context* context) { return context->error; }

const char* dlc_status_text(int32_t status) {
  switch (status) {
    case DLC_OK:
      return "ok";
    case DLC_INVALID_INPUT:
      return "invalid input";
    case DLC_OUT_OF_MEMORY:
      return "out of memory";
    case DLC_UNSUPPORTED:
      return "not supported by this machine or library";
    case DLC_INTERNAL:
      return "internal error";
    case DLC_INVALID_WEIGHTS:
      return "the file of the weights is missing, cut off or belongs to another model";
    case DLC_INVALID_MODEL:
      return "invalid model";
    case DLC_INVALID_ARGUMENT:
      return "invalid argument";
    case DLC_IO:
      return "a file cannot be read or written";
    default:
      return "unknown status";
  }
}

}  // extern "C"
