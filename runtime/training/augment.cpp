#include "runtime/training/augment.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/training/random.h"

namespace dlc::training {

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

}  // namespace dlc::training
