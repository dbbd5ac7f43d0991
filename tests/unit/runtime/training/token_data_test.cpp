#include "runtime/training/token_data.h"

#include <gtest/gtest.h>

#include "runtime/data/files.h"
#include "runtime/data/npy.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"

namespace dlc::training {
namespace {

using test::expect_contains;
using test::message_of;

constexpr int64_t kLength = 4;

std::vector<Field> fields() {
  return {{"input_ids", DType::kInt64, {2, kLength}}, {"target", DType::kInt64, {2, kLength}}};
}

// Ids 0 ... count - 1, as 16-bit numbers of this machine, which is little-endian.
void write_ids(const std::string& path, int64_t count) {
  std::string bytes;
  for (int64_t i = 0; i < count; ++i) bytes += {static_cast<char>(i & 255), static_cast<char>(i >> 8)};
  data::write_file(path, bytes);
}

using Ids = std::vector<int64_t>;

std::pair<Ids, Ids> sample(const Dataset& data, int64_t index) {
  Ids ids(kLength), next(kLength);
  void* const places[] = {ids.data(), next.data()};
  EXPECT_TRUE(data.read(index, 0, places));
  return {ids, next};
}

TEST(TokenData, CutsWindowsWithTheirNextTokens) {
  const test::TemporaryFolder folder;
  write_ids(folder / "ids.bin", 300);
  auto data = open_tokens(folder / "ids.bin", fields(), {});
  EXPECT_EQ(data->size(), 74) << "the last of 300 tokens is a target only; 75 windows would need 301";
  EXPECT_EQ(sample(*data, 0), (std::pair<Ids, Ids>{{0, 1, 2, 3}, {1, 2, 3, 4}}));
  EXPECT_EQ(sample(*data, 73), (std::pair<Ids, Ids>{{292, 293, 294, 295}, {293, 294, 295, 296}}));
  auto overlapping = open_tokens(folder / "ids.bin", fields(), {.stride = 1});
  EXPECT_EQ(overlapping->size(), 296);
  EXPECT_EQ(sample(*overlapping, 295).second.back(), 299);
}

TEST(TokenData, ReadsNumPyFilesAndOtherWidths) {
  const test::TemporaryFolder folder;
  const Tensor ids = Tensor::of<int32_t>(DType::kInt32, {6}, std::vector<int32_t>{7, 70000, 9, 10, 11, 12});
  data::write_npy(folder / "ids.npy", ids);
  EXPECT_EQ(sample(*open_tokens(folder / "ids.npy", fields(), {}), 0),
            (std::pair<Ids, Ids>{{7, 70000, 9, 10}, {70000, 9, 10, 11}}));
  data::write_file(folder / "ids.bin", {ids.as<char>(), static_cast<size_t>(ids.byte_size())});
  EXPECT_EQ(sample(*open_tokens(folder / "ids.bin", fields(), {.type = DType::kInt32}), 0).first[1], 70000);
}

TEST(TokenData, FillsTheOtherInputsOfALanguageModel) {
  const test::TemporaryFolder folder;
  write_ids(folder / "ids.bin", 20);
  auto data = open_tokens(folder / "ids.bin",
                          {{"input_ids", DType::kInt32, {2, kLength}},
                           {"attention_mask", DType::kFloat, {2, kLength}},
                           {"position_ids", DType::kInt64, {2, kLength}},
                           {"target", DType::kInt64, {2, kLength}}},
                          {});
  std::vector<int32_t> ids(kLength);
  std::vector<float> mask(kLength);
  Ids positions(kLength), next(kLength);
  void* const places[] = {ids.data(), mask.data(), positions.data(), next.data()};
  EXPECT_TRUE(data->read(1, std::nullopt, places));
  EXPECT_EQ(ids, (std::vector<int32_t>{4, 5, 6, 7}));
  EXPECT_EQ(mask, (std::vector<float>{1, 1, 1, 1}));
  EXPECT_EQ(positions, (Ids{0, 1, 2, 3}));
  EXPECT_EQ(next, (Ids{5, 6, 7, 8}));
}

TEST(TokenData, RefusesWhatDoesNotFit) {
  const test::TemporaryFolder folder;
  write_ids(folder / "ids.bin", 12);
  auto fault = [&](const std::vector<Field>& wanted, const TokenOptions& options) {
    return message_of([&] { open_tokens(folder / "ids.bin", wanted, options); });
  };
  EXPECT_EQ(fault(fields(), {.vocabulary = 12}), "");
  expect_contains(fault(fields(), {.vocabulary = 11}),
                  "ids.bin: token 11: the id is 11, the model has ids 0 to 10");
  expect_contains(fault(fields(), {.stride = -1}), "stride: expected 1 or more");
  std::vector<Field> one_class = fields();
  one_class[1].shape = {2};
  expect_contains(fault(one_class, {}), "'target' is i64[2]");
  std::vector<Field> two = fields();
  two.insert(two.begin(), {"other", DType::kInt64, {2, kLength}});
  expect_contains(fault(two, {}), "the model has 'other' and 'input_ids'");
  write_ids(folder / "ids.bin", 4);
  expect_contains(fault(fields(), {}), "has 4 token ids; a sample needs 5");
  data::write_file(folder / "ids.bin", "abc");
  expect_contains(fault(fields(), {}), "has 3 bytes, which are no whole number of u16");
  data::write_npy(folder / "x.npy", Tensor(DType::kFloat, {9}));
  expect_contains(message_of([&] { open_tokens(folder / "x.npy", fields(), {}); }),
                  "expected integers, found f32");
}

}  // namespace
}  // namespace dlc::training
