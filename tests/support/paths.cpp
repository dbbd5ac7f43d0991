#include "tests/support/paths.h"

#include <cstdlib>

namespace dlc::test {

std::filesystem::path source_dir() { return DLC_TEST_SOURCE_DIR; }

std::filesystem::path program(std::string_view name) {
  return std::filesystem::path(DLC_TEST_BINARY_DIR) / "bin" / name;
}

std::filesystem::path shared_dir() {
  const char* variable = std::getenv("DLC_SHARED");
  return std::filesystem::path(variable != nullptr ? variable : DLC_TEST_SHARED_DIR).lexically_normal();
}

std::filesystem::path onnx_cases_dir() { return DLC_TEST_CASES_DIR; }

std::filesystem::path references_dir() { return DLC_TEST_REFERENCES_DIR; }

}  // namespace dlc::test
