#include "runtime/data/idx.h"

#include <gtest/gtest.h>

#include "runtime/data/files.h"
#include "runtime/error.h"
#include "tests/support/paths.h"
#include "tests/support/temporary_folder.h"

namespace dlc::test {
namespace {

// Bytes that may hold zeros.
template <size_t N>
std::string bytes(const char (&text)[N]) {
  return {text, N - 1};
}

std::string error_of(const std::string& file) {
  try {
    data::parse_idx(file);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::vector<double> elements(const Tensor& tensor) {
  std::vector<double> result;
  for (int64_t i = 0; i < tensor.size(); ++i) result.push_back(tensor.get_double(i));
  return result;
}

struct TypeCase {
  std::string file;
  DType type;
  std::vector<double> elements;
};

// The format: two zeros, the type, the rank, extents and elements with their highest byte first.
TEST(Idx, ReadsEveryElementType) {
  const TypeCase cases[] = {
      {bytes("\0\0\x08\1\0\0\0\2\1\xff"), DType::kUint8, {1, 255}},
      {bytes("\0\0\x09\1\0\0\0\2\1\xff"), DType::kInt8, {1, -1}},
      {bytes("\0\0\x0b\1\0\0\0\2\1\2\xff\xfe"), DType::kInt16, {258, -2}},
      {bytes("\0\0\x0c\1\0\0\0\1\0\1\0\2"), DType::kInt32, {65538}},
      {bytes("\0\0\x0d\1\0\0\0\1\xc0\x20\0\0"), DType::kFloat, {-2.5}},
      {bytes("\0\0\x0e\1\0\0\0\1\xc0\x04\0\0\0\0\0\0"), DType::kDouble, {-2.5}},
  };
  for (const TypeCase& item : cases) {
    const Tensor tensor = data::parse_idx(item.file);
    EXPECT_EQ(tensor.dtype(), item.type);
    EXPECT_EQ(elements(tensor), item.elements);
  }
}

// Made by Python's gzip module.
TEST(Idx, ReadsWhatGzipHasCompressed) {
  const std::string file = bytes(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x63\x60\xe0\x66\x62\x60\x60\x00\x61\x66\x06\xc6\xff\xff\x18"
      "\x75"
      "\x1a\x18\xea\xff\x33\x30\x00\x00\x41\x6f\xf6\x87\x18\x00\x00\x00");
  const Tensor tensor = data::parse_idx(file);
  EXPECT_EQ(tensor.shape(), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(elements(tensor), (std::vector<double>{1, -2, 300, -32768, 32767, 0}));
  EXPECT_EQ(data::gunzip(file + file).size(), 48U) << "a file may hold several streams";
  EXPECT_EQ(elements(data::parse_idx(data::gunzip(file))), elements(tensor));
}

TEST(Idx, RefusesDamagedFiles) {
  EXPECT_NE(error_of("").find("is no IDX file"), std::string::npos);
  EXPECT_NE(error_of("text").find("is no IDX file"), std::string::npos);
  EXPECT_NE(error_of(bytes("\0\0\x0a\1\0\0\0\1\0")).find("unknown element type 0x0a"), std::string::npos);
  EXPECT_NE(error_of(bytes("\0\0\x08\3\0\0\0\1")).find("its header has 3 extents"), std::string::npos);
  EXPECT_NE(error_of(bytes("\0\0\x0b\1\0\0\0\2\0\1\0")).find("has 3 bytes of elements, expected 4"),
            std::string::npos);
  EXPECT_NE(error_of(bytes("\0\0\x08\1\0\0\0\1\0\0")).find("has 2 bytes"), std::string::npos);
  // The product of the extents is 2^64.
  EXPECT_NE(error_of(bytes("\0\0\x08\3\x80\0\0\0\x80\0\0\0\0\0\0\4")).find("truncated"), std::string::npos);
}

TEST(Idx, RefusesDamagedCompression) {
  const std::string file = bytes(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x63\x60\xe0\x66\x62\x60\x60\x00\x61\x66\x06\xc6\xff\xff\x18"
      "\x75"
      "\x1a\x18\xea\xff\x33\x30\x00\x00\x41\x6f\xf6\x87\x18\x00\x00\x00");
  for (size_t length = 2; length < file.size(); ++length) {
    EXPECT_NE(error_of(file.substr(0, length)).find("truncated"), std::string::npos) << length;
  }
  std::string checksum = file;
  checksum[35] ^= 1;
  EXPECT_NE(error_of(checksum).find("damaged"), std::string::npos);
  EXPECT_THROW(data::gunzip(file, 23), Error);
  EXPECT_EQ(data::gunzip(file, 24).size(), 24U);
}

TEST(Idx, NamesTheFile) {
  const TemporaryFolder folder;
  data::write_file(folder / "a.idx", "nothing");
  try {
    data::read_idx(folder / "a.idx");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("a.idx"), std::string::npos);
  }
  EXPECT_THROW(data::read_idx(folder / "b.idx"), Error);
}

// The first digits of the test set, as everybody who has looked at it knows them.
TEST(Idx, ReadsMnist) {
  const std::filesystem::path folder = shared_dir() / "datasets/mnist_t10k";
  if (!exists(folder)) GTEST_SKIP() << folder << " is absent";
  const Tensor labels = data::read_idx((folder / "t10k-labels-idx1-ubyte.gz").string());
  EXPECT_EQ(labels.shape(), std::vector<int64_t>{10000});
  const std::vector<double> all = elements(labels);
  EXPECT_EQ(std::vector<double>(all.begin(), all.begin() + 6), (std::vector<double>{7, 2, 1, 0, 4, 1}));
  const Tensor images = data::read_idx((folder / "t10k-images-idx3-ubyte.gz").string());
  EXPECT_EQ(images.shape(), (std::vector<int64_t>{10000, 28, 28}));
}

}  // namespace
}  // namespace dlc::test
