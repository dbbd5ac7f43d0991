#include "runtime/tensor.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

#include "runtime/error.h"

namespace dlc {
namespace {

TEST(DType, HasTheWidthsAndNamesOfOnnx) {
  EXPECT_EQ(bit_width(DType::kFloat), 32);
  EXPECT_EQ(bit_width(DType::kBool), 8);
  EXPECT_EQ(bit_width(DType::kString), 0);
  EXPECT_EQ(byte_size(DType::kInt4, 3), 2);
  EXPECT_EQ(byte_size(DType::kUint2, 5), 2);
  EXPECT_EQ(byte_size(DType::kComplex128, 2), 32);
  EXPECT_EQ(onnx_name(DType::kBfloat16), "bfloat16");
  for (int i = 1; i <= 26; ++i)
    EXPECT_EQ(dtype_from_name(name(static_cast<DType>(i))), static_cast<DType>(i));
  EXPECT_FALSE(dtype_from_name("undefined"));
  EXPECT_FALSE(dtype_from_name("float"));
}

TEST(DType, ClassifiesTypes) {
  EXPECT_TRUE(is_float(DType::kFloat8E5M2) && is_signed(DType::kFloat) && is_integer(DType::kUint4));
  EXPECT_FALSE(is_integer(DType::kBool) || is_signed(DType::kUint64) || is_float(DType::kComplex64));
}

TEST(Tensor, IsZeroFilledAlignedAndShared) {
  Tensor a(DType::kFloat, {3, 5});
  EXPECT_EQ(a.size(), 15);
  EXPECT_EQ(a.byte_size(), 60);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 64, 0u);
  for (int i = 0; i < 15; ++i) EXPECT_EQ(a.as<float>()[i], 0.0f);
  Tensor b = a.reshaped({15});
  a.set_double(7, 2.5);
  EXPECT_EQ(b.get_double(7), 2.5);
}

TEST(Tensor, RefusesImpossibleShapes) {
  EXPECT_THROW(Tensor(DType::kFloat, {-1}), Error);
  EXPECT_THROW(Tensor(DType::kFloat, {INT64_MAX, 4}), Error);
  EXPECT_THROW(Tensor(DType::kFloat, {INT64_MAX / 2}), Error);
  EXPECT_EQ(Tensor(DType::kFloat, {0, INT64_MAX, INT64_MAX}).byte_size(), 0);
}

TEST(Tensor, ReadsAndWritesPackedIntegers) {
  Tensor t(DType::kInt4, {5});
  for (int i = 0; i < 5; ++i) t.set_int(i, i - 3);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(t.get_int(i), i - 3);
  EXPECT_EQ(t.as<uint8_t>()[0], 0xed);  // -3 in the low half, -2 above it
  Tensor u(DType::kUint2, {6});
  for (int i = 0; i < 6; ++i) u.set_int(i, i % 4);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(u.get_double(i), i % 4);
}

TEST(Tensor, ConvertsEveryHalfBackToItself) {
  Tensor t(DType::kFloat16, {1});
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    t.mutable_as<uint16_t>()[0] = static_cast<uint16_t>(bits);
    double value = t.get_double(0);
    if (std::isnan(value)) continue;
    t.set_double(0, value);
    ASSERT_EQ(t.as<uint16_t>()[0], bits);
  }
}

TEST(Tensor, RoundsSmallFloatsToNearestEvenOnce) {
  Tensor half(DType::kFloat16, {1});
  half.set_double(0, 1.0 + 0x1p-11);
  EXPECT_EQ(half.get_double(0), 1.0);
  half.set_double(0, 1.0 + 0x1p-11 + 0x1p-40);
  EXPECT_EQ(half.get_double(0), 1.0 + 0x1p-10);
  half.set_double(0, 65519.99);
  EXPECT_EQ(half.get_double(0), 65504.0);
  half.set_double(0, 65520.0);
  EXPECT_TRUE(std::isinf(half.get_double(0)));
  Tensor bfloat(DType::kBfloat16, {1});
  bfloat.set_double(0, 1.0 + 0x1p-8);
  EXPECT_EQ(bfloat.get_double(0), 1.0);
  bfloat.set_double(0, 1.0 + 0x1p-8 + 0x1p-40);
  EXPECT_EQ(bfloat.get_double(0), 1.0 + 0x1p-7);
  bfloat.set_double(0, -1.0 - 0x1p-8 - 0x1p-40);
  EXPECT_EQ(bfloat.get_double(0), -1.0 - 0x1p-7);
  bfloat.set_double(0, std::nan(""));
  EXPECT_TRUE(std::isnan(bfloat.get_double(0)));
}

TEST(Tensor, KeepsLargeIntegersExact) {
  Tensor t(DType::kInt64, {1});
  t.set_int(0, INT64_MAX);
  EXPECT_EQ(t.get_int(0), INT64_MAX);
  EXPECT_EQ(t.to_ints(), std::vector<int64_t>{INT64_MAX});
  EXPECT_THROW(Tensor::scalar(DType::kFloat, 1).to_ints(), Error);
}

TEST(Tensor, ComparesBytesTypesAndShapes) {
  Tensor a = Tensor::from_ints(std::vector<int64_t>{1, 2});
  EXPECT_TRUE(identical(a, Tensor::from_ints(std::vector<int64_t>{1, 2})));
  EXPECT_FALSE(identical(a, Tensor::from_ints(std::vector<int64_t>{1, 3})));
  EXPECT_FALSE(identical(a, a.reshaped({2, 1})));
  EXPECT_TRUE(identical(Tensor(), Tensor()));
  EXPECT_TRUE(identical(Tensor::from_strings({1}, {"x"}), Tensor::from_strings({1}, {"x"})));
  EXPECT_FALSE(identical(Tensor::from_strings({1}, {"x"}), Tensor::from_strings({1}, {"y"})));
}

}  // namespace
}  // namespace dlc
