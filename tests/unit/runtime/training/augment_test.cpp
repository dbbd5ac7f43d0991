#include "runtime/training/augment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "runtime/error.h"

namespace dlc::training {
namespace {

using Pixels = std::vector<float>;

// The image moved as told, by its definition.
Pixels moved(const Pixels& image, const ImageShape& s, bool mirrored, int64_t down, int64_t right) {
  Pixels result(image.size());
  auto at = [&](int64_t plane, int64_t y, int64_t x, int64_t i) {
    return static_cast<size_t>(((plane * s.height + y) * s.width + x) * s.inner + i);
  };
  for (int64_t plane = 0; plane < s.planes; ++plane) {
    for (int64_t y = 0; y < s.height; ++y) {
      for (int64_t x = 0; x < s.width; ++x) {
        const int64_t from_y = y + down;
        const int64_t from_x = (mirrored ? s.width - 1 - x : x) + right;
        if (from_y < 0 || from_y >= s.height || from_x < 0 || from_x >= s.width) continue;
        for (int64_t i = 0; i < s.inner; ++i)
          result[at(plane, y, x, i)] = image[at(plane, from_y, from_x, i)];
      }
    }
  }
  return result;
}

void expect_all_moves(const std::vector<int64_t>& sample, const Augmentation& augmentation) {
  const ImageShape shape = ImageShape::of(sample);
  Pixels image(static_cast<size_t>(shape.planes * shape.height * shape.width * shape.inner));
  for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i + 1);
  std::set<Pixels> possible;
  for (int mirrored = 0; mirrored <= (augmentation.flip ? 1 : 0); ++mirrored) {
    for (int64_t down = -augmentation.crop; down <= augmentation.crop; ++down) {
      for (int64_t right = -augmentation.crop; right <= augmentation.crop; ++right) {
        possible.insert(moved(image, shape, mirrored == 1, down, right));
      }
    }
  }
  std::set<Pixels> seen;
  for (uint64_t key = 0; key < 500; ++key) {
    Pixels result = image;
    augment(result, shape, augmentation, key);
    ASSERT_TRUE(possible.contains(result)) << "key " << key;
    Pixels again = image;
    augment(again, shape, augmentation, key);
    ASSERT_EQ(again, result) << "key " << key;
    seen.insert(result);
  }
  EXPECT_EQ(seen, possible) << "some moves never happen";
}

TEST(Augment, MovesAndMirrorsImagesOfEveryLayout) {
  expect_all_moves({3, 4, 5}, {.flip = true, .crop = 1});
  expect_all_moves({4, 5, 3}, {.flip = true, .crop = 1});
  expect_all_moves({5, 4}, {.crop = 2});
  expect_all_moves({1, 4, 4}, {.flip = true});
}

TEST(Augment, LeavesImagesAloneUnlessAsked) { expect_all_moves({2, 3, 4}, {}); }

TEST(Augment, RefusesWhatIsNoImage) {
  EXPECT_THROW(ImageShape::of(std::vector<int64_t>{784}), Error);
  EXPECT_THROW(ImageShape::of(std::vector<int64_t>{1, 2, 3, 4}), Error);
}

TEST(MiddleOf, IsTheLargestPartOfThatRatio) {
  auto box = [](const Box& b) { return std::vector<int64_t>{b.x, b.y, b.width, b.height}; };
  EXPECT_EQ(box(middle_of(640, 480, 1, 1)), (std::vector<int64_t>{80, 0, 480, 480}));
  EXPECT_EQ(box(middle_of(480, 640, 1, 0.875)), (std::vector<int64_t>{30, 110, 420, 420}));
  EXPECT_EQ(box(middle_of(100, 100, 2, 1)), (std::vector<int64_t>{0, 25, 100, 50}));
  EXPECT_EQ(box(middle_of(1, 50, 1, 0.1)), (std::vector<int64_t>{0, 24, 1, 1})) << "never nothing";
}

TEST(RandomPartOf, LiesInThePictureAndHasTheAreaAskedFor) {
  for (auto [width, height] : {std::pair<int64_t, int64_t>{640, 480}, {50, 60}, {3, 300}, {1, 1}}) {
    double smallest = 1;
    double largest = 0;
    for (uint64_t key = 0; key < 300; ++key) {
      const Box box = random_part_of(width, height, 1.5, 0.25, key);
      ASSERT_GE(box.x, 0);
      ASSERT_GE(box.y, 0);
      ASSERT_GE(std::min(box.width, box.height), 1);
      ASSERT_LE(box.x + box.width, width);
      ASSERT_LE(box.y + box.height, height);
      const double share = static_cast<double>(box.width * box.height) / static_cast<double>(width * height);
      smallest = std::min(smallest, share);
      largest = std::max(largest, share);
      if (width != 640) continue;
      const double ratio = static_cast<double>(box.width) / static_cast<double>(box.height);
      ASSERT_NEAR(std::log(ratio / 1.5), 0, std::log(4.0 / 3) + 0.02);
    }
    if (width != 640) continue;
    EXPECT_NEAR(smallest, 0.25, 0.02);
    EXPECT_GT(largest, 0.7);
  }
}

}  // namespace
}  // namespace dlc::training
