#include "runtime/weights_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "runtime/data/files.h"
#include "runtime/error.h"
#include "tests/support/temporary_folder.h"

namespace dlc::test {
namespace {

constexpr const char* kHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

std::string error_of(const std::string& path, const std::string& hash, uint64_t size) {
  try {
    runtime::map_weights_file(path, hash, size);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(WeightsFile, GivesBackWhatWasWritten) {
  const TemporaryFolder folder;
  const int64_t values[] = {1, -2, 3};
  const std::string file = folder / "w.bin";
  runtime::write_weights_file(file, kHash, Tensor(DType::kUint8, {24}, values, nullptr));
  const runtime::MappedConstants mapped = runtime::map_weights_file(file, kHash, 24);
  EXPECT_EQ(std::memcmp(mapped.data, values, 24), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(mapped.data) % 64, 0U);
}

TEST(WeightsFile, RefusesWhatIsNotItsOwn) {
  const TemporaryFolder folder;
  const std::string file = folder / "w.bin";
  runtime::write_weights_file(file, kHash, Tensor(DType::kUint8, {24}));
  std::string other = kHash;
  other[0] = 'f';
  EXPECT_NE(error_of(file, other, 24).find("belongs to another model"), std::string::npos);
  EXPECT_NE(error_of(file, kHash, 25).find("belongs to another model"), std::string::npos);
  const std::string bytes = data::read_file(file);
  data::write_file(file, bytes.substr(0, bytes.size() - 1));
  EXPECT_NE(error_of(file, kHash, 24).find("is cut off: expected 88 bytes"), std::string::npos);
  data::write_file(file, "short");
  EXPECT_NE(error_of(file, kHash, 24).find("is no weights file"), std::string::npos);
  data::write_file(file, std::string(100, 'x'));
  EXPECT_NE(error_of(file, kHash, 24).find("is no weights file"), std::string::npos);
  EXPECT_NE(error_of(folder / "nowhere", kHash, 24).find("No such file"), std::string::npos);
  EXPECT_NE(error_of(folder.path().string(), kHash, 24).find("is no weights file"), std::string::npos);
}

}  // namespace
}  // namespace dlc::test
