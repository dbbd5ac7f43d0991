#include "tests/numeric/training/recording.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/data/safetensors.h"
#include "runtime/error.h"
#include "tests/support/paths.h"

namespace dlc::test {

std::string fixture(const std::string& file) {
  return (source_dir() / "tests/numeric/training/fixtures" / file).string();
}

Recording::Recording(const std::string& name) {
  for (auto& [key, tensor] : data::read_safetensors(fixture(name + ".safetensors")).tensors) {
    tensors_[key] = tensor;
  }
}

const Tensor& Recording::at(const std::string& name) const {
  auto it = tensors_.find(name);
  if (it == tensors_.end()) fail(ErrorKind::kData, "the recording has no '{}'", name);
  return it->second;
}

std::map<std::string, Tensor> Recording::below(const std::string& prefix) const {
  std::map<std::string, Tensor> result;
  for (const auto& [name, tensor] : tensors_) {
    if (name.starts_with(prefix)) result[name.substr(prefix.size())] = tensor;
  }
  return result;
}

void expect_near(const Tensor& found, const Tensor& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(found.shape(), expected.shape()) << what;
  double scale = 0;
  for (int64_t i = 0; i < expected.size(); ++i) scale = std::max(scale, std::abs(expected.get_double(i)));
  for (int64_t i = 0; i < expected.size(); ++i) {
    // A comparison with NaN fails.
    ASSERT_TRUE(std::abs(found.get_double(i) - expected.get_double(i)) <= tolerance * scale) << fmt::format(
        "{}: element {} is {}, expected {}", what, i, found.get_double(i), expected.get_double(i));
  }
}

}  // namespace dlc::test
