#include "runtime/error.h"

namespace dlc {

Error::Error(ErrorKind kind, std::string message)
    : kind_(kind), message_(std::move(message)), text_(message_) {}

Error& Error::add_context(std::string frame) {
  context_ = std::move(frame) + ": " + context_;
  text_ = context_ + message_;
  return *this;
}

void check(bool condition, const char* what, std::source_location place) {
  if (condition) return;
  fail(ErrorKind::kInternal, "{}:{}: {}", place.file_name(), place.line(), what);
}

}  // namespace dlc
