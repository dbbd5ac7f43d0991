#include "runtime/training/dataset.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "runtime/data/files.h"
#include "runtime/error.h"
#include "runtime/training/image_folder.h"
#include "tests/support/error_text.h"
#include "tests/support/paths.h"
#include "tests/support/temporary_folder.h"

namespace dlc::training {
namespace {

using test::message_of;

namespace fs = std::filesystem;

template <class T>
Tensor array(DType type, const std::vector<int64_t>& shape, const std::vector<T>& values) {
  return Tensor::of<T>(type, shape, values);
}

Tensor bytes(const std::vector<int64_t>& shape) {
  int64_t size = 1;
  for (int64_t extent : shape) size *= extent;
  std::vector<uint8_t> values(static_cast<size_t>(size));
  std::iota(values.begin(), values.end(), uint8_t{0});
  return array(DType::kUint8, shape, values);
}

std::vector<float> sample_of(const Dataset& data, int64_t index, size_t elements) {
  std::vector<float> x(elements);
  int64_t label = 0;
  void* const places[] = {x.data(), &label};
  EXPECT_TRUE(data.read(index, 0, places));
  return x;
}

std::unique_ptr<Dataset> images(const Tensor& data, const std::vector<int64_t>& wanted,
                                const Conversion& conversion) {
  Tensor labels(DType::kInt64, {data.shape()[0]});
  std::vector<int64_t> batch = wanted;
  batch.insert(batch.begin(), 8);
  std::vector<Column> columns;
  columns.push_back({data, {"image", DType::kFloat, batch}, conversion});
  columns.push_back({labels, {"target", DType::kInt64, {8}}, {}});
  return make_array_dataset(std::move(columns));
}

TEST(ArrayDataset, ConvertsBytes) {
  // (x / 255 * range - mean) / std
  auto data = images(bytes({3, 2, 2}), {2, 2}, {.range = 1, .mean = {0.5}, .std = {0.25}});
  EXPECT_EQ(data->size(), 3);
  const std::vector<float> x = sample_of(*data, 1, 4);
  for (size_t i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(x[i], ((4.0F + static_cast<float>(i)) / 255 - 0.5F) / 0.25F);
  EXPECT_FLOAT_EQ(sample_of(*images(bytes({3, 2, 2}), {2, 2}, {}), 2, 4)[3], 11)
      << "without range they are numbers";
}

TEST(ArrayDataset, ConvertsChannelsOnTheirOwn) {
  auto data = images(bytes({2, 2, 1, 2}), {2, 1, 2}, {.mean = {1, 2}, .std = {1, 10}});
  EXPECT_EQ(sample_of(*data, 1, 4), (std::vector<float>{3, 4, 0.4F, 0.5F}));
}

TEST(ArrayDataset, PutsChannelsFirst) {
  // [height, width, channels] = [1, 2, 3]: 0 1 2 and 3 4 5 are two places of three channels.
  auto data = images(bytes({1, 1, 2, 3}), {3, 1, 2}, {});
  EXPECT_EQ(sample_of(*data, 0, 6), (std::vector<float>{0, 3, 1, 4, 2, 5}));
}

TEST(ArrayDataset, TakesOtherShapesOfAsManyElements) {
  EXPECT_EQ(sample_of(*images(bytes({2, 4}), {1, 2, 2}, {}), 1, 4), (std::vector<float>{4, 5, 6, 7}));
}

TEST(ArrayDataset, FillsHalfPrecisionAndIntegers) {
  std::vector<Column> columns;
  columns.push_back(
      {array<double>(DType::kDouble, {2, 2}, {1.5, 2.5, 3.5, 4.5}), {"x", DType::kFloat16, {4, 2}}, {}});
  columns.push_back({array<uint8_t>(DType::kUint8, {2}, {7, 9}), {"target", DType::kInt64, {4}}, {}});
  auto data = make_array_dataset(std::move(columns));
  Tensor x(DType::kFloat16, {2});
  int64_t label = 0;
  void* const places[] = {x.mutable_data(), &label};
  data->read(1, 0, places);
  EXPECT_EQ(x.get_double(1), 4.5);
  EXPECT_EQ(label, 9);
  EXPECT_EQ(data->group(0), 7);
}

TEST(ArrayDataset, RefusesWhatDoesNotFit) {
  EXPECT_NE(message_of([] {
              images(bytes({2, 5}), {2, 2}, {});
            }).find("'image': the samples are [5], the model takes [2, 2]"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              images(bytes({2, 2, 2}), {2, 2}, {.mean = {1, 2, 3}});
            }).find("expected 1 or 2 numbers, found 3"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              images(bytes({2, 2, 2}), {2, 2}, {.std = {0}});
            }).find("other than 0"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              images(bytes({2, 4}), {4}, {.augmentation = {.flip = true}});
            }).find("are for images"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              images(bytes({2, 4, 4}), {4, 4}, {.augmentation = {.zoom = 0.5}});
            }).find("zoom are for pictures in folders"),
            std::string::npos);
  const std::string lengths = message_of([] {
    std::vector<Column> columns;
    columns.push_back({bytes({3, 2}), {"x", DType::kFloat, {4, 2}}, {}});
    columns.push_back({Tensor(DType::kInt64, {2}), {"target", DType::kInt64, {4}}, {}});
    make_array_dataset(std::move(columns));
  });
  EXPECT_NE(lengths.find("'x' has 3 samples, 'target' has 2"), std::string::npos);
  const std::string types = message_of([] {
    std::vector<Column> columns;
    columns.push_back({Tensor(DType::kFloat, {2}), {"target", DType::kInt64, {4}}, {}});
    make_array_dataset(std::move(columns));
  });
  EXPECT_NE(types.find("the samples are f32, the model takes i64"), std::string::npos) << types;
}

TEST(SplitOfDataset, HoldsOutAShareOfEveryClass) {
  std::vector<Column> columns;
  columns.push_back({Tensor(DType::kFloat, {10, 1}), {"x", DType::kFloat, {4, 1}}, {}});
  columns.push_back({array<int64_t>(DType::kInt64, {10}, {0, 1, 0, 1, 0, 0, 1, 1, 0, 0}),
                     {"target", DType::kInt64, {4}},
                     {}});
  auto data = make_array_dataset(std::move(columns));
  const Split parts = split(*data, 0.3);
  EXPECT_EQ(parts.validation.indices, (std::vector<int64_t>{8, 9, 7})) << "two of the six, one of the four";
  EXPECT_EQ(parts.training.indices.size(), 7U);
  EXPECT_TRUE(split(*data, 0).validation.indices.empty());
  EXPECT_EQ(all_of(*data).indices.size(), 10U);
}

// ---- Folders of pictures ----------------------------------------------------------------------------------

const std::vector<Field> kPictureFields = {{"image", DType::kFloat, {4, 1, 8, 8}},
                                           {"target", DType::kInt64, {4}}};

// Pictures of digits in folders named by words.
void make_folders(const dlc::test::TemporaryFolder& folder) {
  const fs::path images = dlc::test::source_dir() / "examples/digits/images";
  fs::create_directories(folder / "two");
  fs::create_directories(folder / "one");
  fs::copy(images / "1.png", folder / "one/a.png");
  fs::copy(images / "2.png", folder / "two/a.png");
  fs::copy(images / "3.png", folder / "two/b.png");
}

TEST(ImageFolder, NumbersClassesByName) {
  const dlc::test::TemporaryFolder folder;
  make_folders(folder);
  const ImageFolder pictures =
      open_image_folder(folder.path().string(), kPictureFields, {.conversion = {.range = 1}, .strict = true});
  EXPECT_EQ(pictures.classes, (std::vector<std::string>{"one", "two"}));
  ASSERT_EQ(pictures.data->size(), 3);
  EXPECT_EQ(pictures.data->group(0), 0);
  EXPECT_EQ(pictures.data->group(2), 1);
  std::vector<float> x(64);
  int64_t label = -1;
  void* const places[] = {x.data(), &label};
  ASSERT_TRUE(pictures.data->read(1, 0, places));
  EXPECT_EQ(label, 1);
  EXPECT_GT(*std::max_element(x.begin(), x.end()), 0.5F);
  EXPECT_LE(*std::max_element(x.begin(), x.end()), 1.0F);
}

TEST(ImageFolder, TakesTheClassesOfOtherData) {
  const dlc::test::TemporaryFolder folder;
  make_folders(folder);
  auto open = [&](std::vector<std::string> classes) {
    return open_image_folder(folder.path().string(), kPictureFields, {.classes = std::move(classes)});
  };
  const ImageFolder pictures = open({"zero", "one", "two"});
  EXPECT_EQ(pictures.classes, (std::vector<std::string>{"zero", "one", "two"}));
  EXPECT_EQ(pictures.data->group(0), 1);
  EXPECT_EQ(pictures.data->group(2), 2);
  EXPECT_NE(message_of([&] {
              open({"zero", "two"});
            }).find("one: the class is none of the training data"),
            std::string::npos);
}

// A picture of 24 x 8 whose thirds are black, grey and white.
TEST(ImageFolder, CutsTheMiddleOrARandomPart) {
  const dlc::test::TemporaryFolder folder;
  fs::create_directories(folder / "a");
  std::string picture = "P5 24 8 255\n";
  for (int i = 0; i < 24 * 8; ++i) picture += static_cast<char>(i % 24 / 8 * 127);
  data::write_file(folder / "a/a.pgm", picture);
  auto read = [&](const Conversion& conversion, std::optional<uint64_t> key) {
    const ImageFolder pictures =
        open_image_folder(folder.path().string(), kPictureFields, {.conversion = conversion, .strict = true});
    std::vector<float> x(64);
    int64_t label = 0;
    void* const places[] = {x.data(), &label};
    EXPECT_TRUE(pictures.data->read(0, key, places));
    return x;
  };
  EXPECT_EQ(read({.center = 1}, {}), std::vector<float>(64, 127)) << "the middle third is the largest square";
  const std::vector<float> whole = read({}, {});
  EXPECT_EQ(whole.front(), 0);
  EXPECT_EQ(whole.back(), 254);
  const Conversion zooming{.augmentation = {.zoom = 0.1}};
  EXPECT_EQ(read(zooming, {}), whole) << "nothing is random without a key";
  std::set<std::vector<float>> seen;
  for (uint64_t key = 0; key < 20; ++key) {
    seen.insert(read(zooming, key));
    EXPECT_EQ(read(zooming, key), read(zooming, key));
  }
  EXPECT_GT(seen.size(), 10U);
  EXPECT_NE(message_of([&] { read({.center = 1.5}, {}); }).find("center: expected a share in [0, 1]"),
            std::string::npos);
}

TEST(ImageFolder, LeavesOutPicturesThatCannotBeRead) {
  const dlc::test::TemporaryFolder folder;
  make_folders(folder);
  data::write_file(folder / "one/broken.png", "no picture");
  std::vector<float> x(64);
  int64_t label = -1;
  void* const places[] = {x.data(), &label};
  const ImageFolder some = open_image_folder(folder.path().string(), kPictureFields, {});
  EXPECT_FALSE(some.data->read(1, 0, places));
  const ImageFolder all = open_image_folder(folder.path().string(), kPictureFields, {.strict = true});
  EXPECT_NE(message_of([&] { all.data->read(1, 0, places); }).find("broken.png"), std::string::npos);
}

TEST(ImageFolder, RefusesFoldersAndModelsThatDoNotFit) {
  const dlc::test::TemporaryFolder folder;
  auto open = [&](const std::vector<Field>& fields) {
    return message_of([&] { open_image_folder(folder.path().string(), fields, {.strict = true}); });
  };
  EXPECT_NE(open(kPictureFields).find("expected a folder for each class, found none"), std::string::npos);
  make_folders(folder);
  fs::create_directories(folder / "three");
  EXPECT_NE(open(kPictureFields).find("three: the class has no pictures"), std::string::npos);
  fs::remove(folder / "three");
  EXPECT_NE(
      open({{"x", DType::kFloat, {4, 10}}, kPictureFields[1]}).find("pictures fit a model with one input"),
      std::string::npos);
  EXPECT_NE(open({kPictureFields[0], {"target", DType::kFloat, {4, 2}}}).find("have a class each"),
            std::string::npos);
  EXPECT_NE(
      message_of([] { open_image_folder("/nowhere", kPictureFields, {.strict = true}); }).find("/nowhere"),
      std::string::npos);
}

}  // namespace
}  // namespace dlc::training
