#include "frontend/read_tensor.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "runtime/error.h"
#include "tests/support/error_text.h"

namespace dlc::frontend {
namespace {

using test::expect_contains;

namespace fs = std::filesystem;

onnx::TensorProto proto_of(DType type, const std::vector<int64_t>& dims) {
  onnx::TensorProto proto;
  proto.set_data_type(static_cast<int32_t>(type));
  for (const int64_t dim : dims) proto.add_dims(dim);
  return proto;
}

Tensor read(const onnx::TensorProto& proto, const std::string& folder = "") {
  TensorSource source{RawData(), ExternalData(folder), int64_t{1} << 20};
  return read_tensor(proto, source);
}

std::string error_of(const onnx::TensorProto& proto, const std::string& folder = "") {
  try {
    read(proto, folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Types whose elements are stored one each in int32_data, with the value that the bits 1 mean.
TEST(ReadTensor, ReadsInt32Data) {
  for (const DType type :
       {DType::kInt32, DType::kUint16, DType::kInt16, DType::kUint8, DType::kInt8, DType::kBool}) {
    onnx::TensorProto proto = proto_of(type, {3});
    for (const int value : {1, 0, type == DType::kBool ? 7 : 100}) proto.add_int32_data(value);
    const Tensor tensor = read(proto);
    EXPECT_EQ(tensor.dtype(), type);
    EXPECT_EQ(tensor.get_int(0), 1);
    EXPECT_EQ(tensor.get_int(1), 0);
    EXPECT_EQ(tensor.get_int(2), type == DType::kBool ? 1 : 100);
  }
  onnx::TensorProto negative = proto_of(DType::kInt8, {1});
  negative.add_int32_data(-5);
  EXPECT_EQ(read(negative).get_int(0), -5);
}

TEST(ReadTensor, ReadsSmallFloatsAsBits) {
  onnx::TensorProto half = proto_of(DType::kFloat16, {1});
  half.add_int32_data(0x3e00);
  EXPECT_EQ(read(half).get_double(0), 1.5);
  onnx::TensorProto bfloat = proto_of(DType::kBfloat16, {1});
  bfloat.add_int32_data(0xbfc0);
  EXPECT_EQ(read(bfloat).get_double(0), -1.5);
  onnx::TensorProto f8 = proto_of(DType::kFloat8E5M2, {1});
  f8.add_int32_data(0x3e);
  EXPECT_EQ(read(f8).as<uint8_t>()[0], 0x3e);
}

TEST(ReadTensor, ReadsPackedTypesFromOneByteAnEntry) {
  onnx::TensorProto four = proto_of(DType::kUint4, {3});
  four.add_int32_data(0x21);
  four.add_int32_data(0x0f);
  const Tensor a = read(four);
  EXPECT_EQ(a.get_int(0), 1);
  EXPECT_EQ(a.get_int(1), 2);
  EXPECT_EQ(a.get_int(2), 15);
  onnx::TensorProto two = proto_of(DType::kInt2, {4});
  two.add_int32_data(0b11'10'01'00);
  const Tensor b = read(two);
  EXPECT_EQ(b.get_int(0), 0);
  EXPECT_EQ(b.get_int(1), 1);
  EXPECT_EQ(b.get_int(2), -2);
  EXPECT_EQ(b.get_int(3), -1);
}

TEST(ReadTensor, ReadsTheWideFields) {
  onnx::TensorProto f = proto_of(DType::kFloat, {2});
  f.add_float_data(1.25f);
  f.add_float_data(-2);
  EXPECT_EQ(read(f).get_double(0), 1.25);
  onnx::TensorProto d = proto_of(DType::kDouble, {});
  d.add_double_data(0.1);
  EXPECT_EQ(read(d).get_double(0), 0.1);
  EXPECT_EQ(read(d).rank(), 0);
  onnx::TensorProto i = proto_of(DType::kInt64, {1});
  i.add_int64_data(INT64_MIN);
  EXPECT_EQ(read(i).get_int(0), INT64_MIN);
  onnx::TensorProto u = proto_of(DType::kUint32, {1});
  u.add_uint64_data(0xffffffffu);
  EXPECT_EQ(read(u).get_int(0), 0xffffffff);
  onnx::TensorProto c = proto_of(DType::kComplex64, {2});
  for (const float part : {1.0f, 2.0f, 3.0f, 4.0f}) c.add_float_data(part);
  EXPECT_EQ(read(c).as<float>()[3], 4.0f);
  onnx::TensorProto s = proto_of(DType::kString, {1, 2});
  s.add_string_data("a");
  s.add_string_data(std::string("b\0c", 3));
  EXPECT_EQ(read(s).strings()[1], std::string("b\0c", 3));
}

TEST(ReadTensor, TakesLargeRawDataWithoutACopy) {
  onnx::ModelProto model;
  onnx::TensorProto& proto = *model.mutable_graph()->add_initializer();
  proto = proto_of(DType::kFloat, {100});
  std::vector<float> values(100, 2.5f);
  proto.set_raw_data(values.data(), 400);
  const void* bytes = proto.raw_data().data();
  TensorSource source{RawData(model), ExternalData(""), 1 << 20};
  const Tensor tensor = read_tensor(proto, source);
  EXPECT_EQ(tensor.data(), bytes);
  EXPECT_EQ(tensor.get_double(99), 2.5);
}

TEST(ReadTensor, NormalizesRawBools) {
  onnx::TensorProto proto = proto_of(DType::kBool, {2});
  proto.set_raw_data(std::string("\x02\x00", 2));
  const Tensor tensor = read(proto);
  EXPECT_EQ(tensor.as<uint8_t>()[0], 1);
  EXPECT_EQ(tensor.as<uint8_t>()[1], 0);
}

TEST(ReadTensor, AcceptsZeroSizeTensors) {
  EXPECT_EQ(read(proto_of(DType::kFloat, {0, 3})).size(), 0);
  onnx::TensorProto raw = proto_of(DType::kInt64, {0});
  raw.set_raw_data("");
  EXPECT_EQ(read(raw).size(), 0);
}

TEST(ReadTensor, NamesWhatIsWrong) {
  expect_contains(error_of(proto_of(DType::kUndefined, {1})), "element type is undefined");
  expect_contains(error_of(proto_of(static_cast<DType>(99), {1})), "unknown number 99");
  expect_contains(error_of(proto_of(DType::kFloat, {-1})), "negative");
  expect_contains(error_of(proto_of(DType::kFloat, {INT64_MAX, 3})), "overflow");
  expect_contains(error_of(proto_of(DType::kFloat, {1 << 30, 1 << 10})), "limit");
  expect_contains(error_of(proto_of(DType::kFloat, {2})), "float_data has 0 entries; float[2] needs 2");
  onnx::TensorProto raw = proto_of(DType::kInt32, {2});
  raw.set_raw_data("1234567");
  expect_contains(error_of(raw), "raw_data has 7 bytes; int32[2] needs 8");
  onnx::TensorProto other = proto_of(DType::kInt64, {1});
  other.add_float_data(1);
  expect_contains(error_of(other), "stored as float_data; expected int64_data");
  onnx::TensorProto text = proto_of(DType::kString, {1});
  text.set_raw_data("x");
  expect_contains(error_of(text), "strings are stored as raw_data");
}

TEST(ReadTensor, DensifiesSparseTensors) {
  onnx::SparseTensorProto sparse;
  sparse.add_dims(2);
  sparse.add_dims(3);
  *sparse.mutable_values() = proto_of(DType::kFloat, {2});
  sparse.mutable_values()->add_float_data(5);
  sparse.mutable_values()->add_float_data(7);
  *sparse.mutable_indices() = proto_of(DType::kInt64, {2});
  sparse.mutable_indices()->add_int64_data(1);
  sparse.mutable_indices()->add_int64_data(5);
  TensorSource source{RawData(), ExternalData(""), 1 << 20};
  const Tensor flat = read_sparse_tensor(sparse, source);
  EXPECT_EQ(flat.shape(), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(flat.get_double(1), 5);
  EXPECT_EQ(flat.get_double(5), 7);
  EXPECT_EQ(flat.get_double(0), 0);

  onnx::SparseTensorProto coordinates = sparse;
  *coordinates.mutable_indices() = proto_of(DType::kInt64, {2, 2});
  for (const int64_t index : {0, 1, 1, 2}) coordinates.mutable_indices()->add_int64_data(index);
  EXPECT_TRUE(identical(read_sparse_tensor(coordinates, source), flat));

  sparse.mutable_indices()->set_int64_data(1, 6);
  EXPECT_THROW(read_sparse_tensor(sparse, source), Error);
}

class ExternalTensor : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / fs::path("dlc_external_" + std::to_string(::getpid()));
    fs::create_directories(root_ / "model" / "sub");
    std::ofstream(root_ / "model" / "w.bin") << "AAAABBBBCCCC";
    std::ofstream(root_ / "secret.bin") << "SSSSSSSSSSSS";
    fs::create_symlink(root_ / "secret.bin", root_ / "model" / "leaves");
    fs::create_symlink("../w.bin", root_ / "model" / "sub" / "stays");
  }
  void TearDown() override { fs::remove_all(root_); }

  onnx::TensorProto external(const std::string& location, const std::string& offset = "",
                             const std::string& length = "") {
    onnx::TensorProto proto = proto_of(DType::kUint8, {4});
    proto.set_data_location(onnx::TensorProto::EXTERNAL);
    const auto add = [&](const std::string& key, const std::string& value) {
      if (value.empty()) return;
      auto* entry = proto.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    add("location", location);
    add("offset", offset);
    add("length", length);
    return proto;
  }
  std::string folder() const { return (root_ / "model").string(); }
  fs::path root_;
};

TEST_F(ExternalTensor, IsMappedAtItsOffset) {
  const Tensor tensor = read(external("w.bin", "4", "4"), folder());
  EXPECT_EQ(std::string(tensor.as<char>(), 4), "BBBB");
  EXPECT_EQ(std::string(read(external("sub/stays", "8"), folder()).as<char>(), 4), "CCCC");
}

TEST_F(ExternalTensor, StaysInTheModelsFolder) {
  expect_contains(error_of(external("../secret.bin"), folder()), "leaves the model's folder");
  expect_contains(error_of(external("sub/../../secret.bin"), folder()), "leaves the model's folder");
  expect_contains(error_of(external((root_ / "secret.bin").string()), folder()), "not a relative path");
  expect_contains(error_of(external("leaves"), folder()), "is a link that leaves the model's folder");
  expect_contains(error_of(external("w.bin"), ""), "not allowed");
}

TEST_F(ExternalTensor, IsCheckedForSize) {
  expect_contains(error_of(external("w.bin", "9"), folder()),
                  "too short: 4 bytes at offset 9 are needed, it has 12");
  expect_contains(error_of(external("w.bin", "99999999999999999999"), folder()), "is not a number of bytes");
  expect_contains(error_of(external("w.bin", "-4"), folder()), "is not a number of bytes");
  expect_contains(error_of(external("w.bin", "", "5"), folder()), "has length 5; uint8[4] needs 4 bytes");
  expect_contains(error_of(external("missing.bin"), folder()), "missing.bin");
  expect_contains(error_of(external("sub"), folder()), "is not a file");
  expect_contains(error_of(external(""), folder()), "not a relative path");
}

}  // namespace
}  // namespace dlc::frontend
