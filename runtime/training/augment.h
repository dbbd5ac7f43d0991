// Images moved and mirrored at random.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace dlc::training {

struct Augmentation {
  bool flip = false;  // half of the samples are mirrored from left to right
  int64_t crop = 0;   // and all move by up to so many elements, with zeros around
  double zoom = 0;    // of pictures in files: a part of at least this share of the area is taken; 0: all
};

// A sample of rank 2 or 3 as an image: [height, width], [channels, height, width] or [height, width,
// channels].
struct ImageShape {
  int64_t planes = 1;
  int64_t height = 1;
  int64_t width = 1;
  int64_t inner = 1;  // elements of a place: channels that come last

  // Channels come last where there are 1, 3 or 4 of them there and not in front. Error(kUsage) for other
  // ranks.
  static ImageShape of(std::span<const int64_t> sample);
};

// Flips and moves. What is done depends on the key alone.
void augment(std::span<float> image, const ImageShape& shape, const Augmentation& augmentation, uint64_t key);

// A part of a picture.
struct Box {
  int64_t x = 0;
  int64_t y = 0;
  int64_t width = 0;
  int64_t height = 0;
};
// The middle part of this ratio of width to height; `share` of the largest one.
Box middle_of(int64_t width, int64_t height, double ratio, double share);
// A part of between `least` and all of the area, anywhere, its ratio of width to height up to 4/3 off
// `ratio`.
Box random_part_of(int64_t width, int64_t height, double ratio, double least, uint64_t key);

}  // namespace dlc::training
