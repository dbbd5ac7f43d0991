#include "runtime/data/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "runtime/data/files.h"
#include "runtime/error.h"
#include "tests/support/temporary_folder.h"

namespace dlc::test {
namespace {

// Written by the Python package safetensors: {"weight": float32[2, 3], "steps": int64[], "empty": float16[0,
// 4]}.
std::string reference_file() {
  static const char header[] =
      R"({"__metadata__":{"format":"pt"},"steps":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"weight":)"
      R"({"dtype":"F32","shape":[2,3],"data_offsets":[8,32]},"empty":{"dtype":"F16","shape":[0,4],"data_offsets":)"
      R"([32,32]}}      )";
  static const char data[] = "\x07\0\0\0\0\0\0\0\0\0\x80?\0\0\0@\0\0@@\0\0\x80@\0\0\xa0@\0\0\xd0\xc0";
  return std::string("\xd8\0\0\0\0\0\0\0", 8) + header + std::string(data, sizeof data - 1);
}

// A file with this header and so many bytes behind it.
std::string file_of(const std::string& header, size_t data_bytes) {
  const uint64_t size = header.size();
  std::string result(reinterpret_cast<const char*>(&size), sizeof size);
  return result + header + std::string(data_bytes, '\1');
}

std::string error_of(const std::string& file) {
  try {
    data::parse_safetensors(file);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
}

TEST(Safetensors, ReadsWhatTheReferenceLibraryWrites) {
  const data::TensorFile file = data::parse_safetensors(reference_file());
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  ASSERT_EQ(file.tensors.size(), 3U);
  EXPECT_EQ(file.tensors[0].first, "steps");
  EXPECT_TRUE(file.tensors[0].second.shape().empty());
  EXPECT_EQ(file.tensors[0].second.get_int(0), 7);
  const Tensor& weight = file.tensors[1].second;
  EXPECT_EQ(file.tensors[1].first, "weight");
  EXPECT_EQ(weight.dtype(), DType::kFloat);
  EXPECT_EQ(weight.shape(), (std::vector<int64_t>{2, 3}));
  const double expected[] = {1, 2, 3, 4, 5, -6.5};
  for (int64_t i = 0; i < 6; ++i) EXPECT_EQ(weight.get_double(i), expected[i]);
  EXPECT_EQ(file.tensors[2].second.dtype(), DType::kFloat16);
  EXPECT_EQ(file.tensors[2].second.shape(), (std::vector<int64_t>{0, 4}));
}

TEST(Safetensors, WritesWhatTheReferenceLibraryWrites) {
  EXPECT_EQ(data::format_safetensors(data::parse_safetensors(reference_file())), reference_file());
  const TemporaryFolder folder;
  data::write_safetensors(folder / "a", data::parse_safetensors(reference_file()));
  EXPECT_EQ(data::read_file(folder / "a"), reference_file());
  EXPECT_EQ(data::format_safetensors(data::read_safetensors(folder / "a")), reference_file());
}

TEST(Safetensors, HoldsEveryTypeItHasAndNoOther) {
  for (DType type : {DType::kBool, DType::kUint8, DType::kInt8, DType::kInt16, DType::kUint16,
                     DType::kFloat16, DType::kBfloat16, DType::kInt32, DType::kUint32, DType::kFloat,
                     DType::kDouble, DType::kInt64, DType::kUint64}) {
    Tensor tensor(type, {3});
    tensor.set_double(1, 1);
    const data::TensorFile file = data::parse_safetensors(data::format_safetensors({{{"a", tensor}}, {}}));
    EXPECT_TRUE(identical(file.tensors.at(0).second, tensor)) << name(type);
  }
  EXPECT_THROW(data::format_safetensors({{{"a", Tensor(DType::kInt4, {2})}}, {}}), Error);
  EXPECT_THROW(data::format_safetensors({{{"\xff", Tensor(DType::kFloat, {2})}}, {}}), Error);
}

TEST(Safetensors, RefusesFilesThatAreCutShort) {
  const std::string file = reference_file();
  for (size_t length = 0; length < file.size(); ++length) {
    EXPECT_NE(error_of(file.substr(0, length)), "") << length;
  }
  EXPECT_NE(error_of(file + "x").find("has 33 bytes of tensors, expected 32"), std::string::npos);
}

TEST(Safetensors, ChecksEveryNumberOfTheHeader) {
  struct Case {
    std::string header;
    std::string message;
  };
  const Case cases[] = {
      {"[]", "the header is no JSON object"},
      {"{", "the header is no JSON object"},
      {R"({"a":3})", "tensor 'a'"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", "data_offsets"},
      {R"({"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}})", "unknown element type 'C64'"},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,9]}})", "outside of the file"},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[8,0]}})", "outside of the file"},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0]}})", "outside of the file"},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[-1,7]}})", "outside of the file"},
      {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", "its shape does not fit"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", "its shape needs 4 bytes, it has 8"},
      {R"({"a":{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}})", "its shape does not fit"},
      {R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
       "its shape does not fit"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[6],"data_offsets":[2,8]}})",
       "tensor 'b' begins at byte 2, expected 4"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", "begins at byte 4, expected 0"},
      {R"({"__metadata__":3})", "the metadata is no JSON object"},
      {R"({"__metadata__":{"a":3}})", "metadata 'a' is no text"},
  };
  for (const Case& item : cases) {
    const std::string message = error_of(file_of(item.header, 8));
    EXPECT_NE(message.find(item.message), std::string::npos) << item.header << "\n" << message;
  }
  EXPECT_NE(error_of(std::string(16, '\x7f')).find("a header of"), std::string::npos);
}

}  // namespace
}  // namespace dlc::test
