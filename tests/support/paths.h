#pragma once

#include <filesystem>
#include <string_view>

namespace dlc::test {

// The root of the source tree.
std::filesystem::path source_dir();

// A program of the build, such as "dlc-compile".
std::filesystem::path program(std::string_view name);

// Models and data sets that lie outside the source tree: the variable DLC_SHARED, else what the build was
// configured with. The folder may be absent; a test that needs it then skips with a message.
std::filesystem::path shared_dir();

// The official ONNX cases as tests/conformance/generate_cases.py writes them; the build does that for the
// conformance tests.
std::filesystem::path onnx_cases_dir();

// Networks with reference outputs, as tests/models/references.sh makes them. The folder may be absent.
std::filesystem::path references_dir();

}  // namespace dlc::test
