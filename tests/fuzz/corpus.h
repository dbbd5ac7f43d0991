// Small models to mutate.
#pragma once

#include <string>
#include <vector>

namespace dlc::test {

struct SeedModel {
  std::string name;
  std::string bytes;
};

// Models of at most 64 kB, in a fixed order: the example, the official ONNX cases but those that
// tests/conformance/excused.txt lists as failing, the error cases.
std::vector<SeedModel> read_corpus();

}  // namespace dlc::test
