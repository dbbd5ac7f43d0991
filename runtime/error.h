#pragma once

#include <fmt/format.h>

#include <exception>
#include <source_location>
#include <string>
#include <utility>

namespace dlc {

// Who can mend a fault.
enum class ErrorKind {
  kUsage,     // a flag, an option or an argument of a call
  kModel,     // the model file
  kData,      // an input tensor or a data set
  kIo,        // the file system
  kResource,  // memory, threads, a limit of the machine
  kInternal,  // us
};

// The one exception above the runtime's C border: what went wrong, and on the way out where.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message);

  ErrorKind kind() const noexcept { return kind_; }
  const std::string& message() const noexcept { return message_; }

  // Every layer that knows more adds a frame: `catch (Error& e) { e.add_context("node conv1"); throw; }`
  Error& add_context(std::string frame);

  // Frames, the outermost (added last) first, then the message: "model.onnx: node conv1: message".
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  ErrorKind kind_;
  std::string message_;
  std::string context_;
  std::string text_;
};

// For what a user, a model or a machine can cause. Our own bugs are check()'s.
template <class... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

// Throws kInternal with the caller's place unless `condition` holds; `what` says what should have held.
void check(bool condition, const char* what, std::source_location place = std::source_location::current());

}  // namespace dlc
