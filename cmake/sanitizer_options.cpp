// Defaults of the sanitizers, linked into every program of a build with DLC_SANITIZE; ASAN_OPTIONS and its
// kin still win.

extern "C" {

// protobuf, ONNX and LLVM are not instrumented: a vector that they grow looks overflown to us. What LLVM
// keeps until exit is no leak of ours. Allocations that are too large are null, as they are without it.
const char* __asan_default_options() {
  return "detect_container_overflow=0:detect_leaks=0:strict_string_checks=1:allocator_may_return_null=1";
}

const char* __ubsan_default_options() { return "print_stacktrace=1"; }

const char* __tsan_default_options() { return "halt_on_error=1:second_deadlock_stack=1"; }
}
