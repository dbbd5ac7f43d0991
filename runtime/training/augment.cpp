#include "runtime/training/augment.h"

#include <algorithm>
#include <cmath>

#include "runtime/error.h"
#include "runtime/training/random.h"

namespace dlc::training {
namespace {

int64_t rounded(double extent, int64_t limit) { return std::clamp<int64_t>(std::llround(extent), 1, limit); }

}  // namespace

ImageShape ImageShape::of(std::span<const int64_t> sample) {
  auto counts_channels = [](int64_t extent) { return extent == 1 || extent == 3 || extent == 4; };
  if (sample.size() == 2) return {.height = sample[0], .width = sample[1]};
  if (sample.size() != 3) {
    fail(ErrorKind::kUsage, "flip and crop are for images, the samples are [{}]", fmt::join(sample, ", "));
  }
  if (counts_channels(sample[2]) && !counts_channels(sample[0])) {
    return {.height = sample[0], .width = sample[1], .inner = sample[2]};
  }
  return {.planes = sample[0], .height = sample[1], .width = sample[2]};
}

void augment(std::span<float> image, const ImageShape& shape, const Augmentation& augmentation,
             uint64_t key) {
  Random random(key);
  const bool mirrored = augmentation.flip && random.below(2) == 1;
  const auto reach = static_cast<uint64_t>(2 * augmentation.crop + 1);
  const int64_t down = static_cast<int64_t>(random.below(reach)) - augmentation.crop;
  const int64_t right = static_cast<int64_t>(random.below(reach)) - augmentation.crop;
  if (!mirrored && down == 0 && right == 0) return;
  const std::vector<float> from(image.begin(), image.end());
  std::fill(image.begin(), image.end(), 0.0F);
  for (int64_t row = 0; row < shape.planes * shape.height; ++row) {
    const int64_t y = row % shape.height + down;
    if (y < 0 || y >= shape.height) continue;
    for (int64_t column = 0; column < shape.width; ++column) {
      const int64_t x = (mirrored ? shape.width - 1 - column : column) + right;
      if (x < 0 || x >= shape.width) continue;
      const int64_t source = ((row + down) * shape.width + x) * shape.inner;
      std::copy_n(from.begin() + source, shape.inner,
                  image.begin() + (row * shape.width + column) * shape.inner);
    }
  }
}

Box middle_of(int64_t width, int64_t height, double ratio, double share) {
  const double side = std::min(static_cast<double>(width) / ratio, static_cast<double>(height)) * share;
  Box box{.width = rounded(side * ratio, width), .height = rounded(side, height)};
  box.x = (width - box.width) / 2;
  box.y = (height - box.height) / 2;
  return box;
}

Box random_part_of(int64_t width, int64_t height, double ratio, double least, uint64_t key) {
  constexpr int kTries = 10;
  const double kSpread = std::log(4.0 / 3);
  Random random(key);
  for (int i = 0; i < kTries; ++i) {
    const double area = static_cast<double>(width * height) * (least + random.unit() * (1 - least));
    const double own_ratio = ratio * std::exp((2 * random.unit() - 1) * kSpread);
    const int64_t w = std::llround(std::sqrt(area * own_ratio));
    const int64_t h = std::llround(std::sqrt(area / own_ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const uint64_t x = random.below(static_cast<uint64_t>(width - w + 1));
    const uint64_t y = random.below(static_cast<uint64_t>(height - h + 1));
    return {static_cast<int64_t>(x), static_cast<int64_t>(y), w, h};
  }
  return middle_of(width, height, ratio, 1);
}

}  // namespace dlc::training
