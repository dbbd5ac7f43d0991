// Pictures as model inputs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tensor.h"

namespace dlc::data {

enum class Color : uint8_t { kRgb, kBgr, kGray };
enum class Layout : uint8_t { kNchw, kNhwc };

// Bytes of RGB, row by row.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> pixels;  // height x width x 3
};

// JPEG, JPEG 2000, PNG, BMP, TIFF, WebP or PNM, told by its first bytes; grey, palette and 16-bit pictures
// become RGB, transparency is dropped. Throws Error(kData), for the file also Error(kIo).
Image decode_image(std::string_view bytes);
Image read_image(const std::string& path);
bool is_image_file(const std::string& path);  // by its name's ending

struct ImageOptions {
  int64_t height = 0;  // 0: as the picture has it
  int64_t width = 0;
  Layout layout = Layout::kNchw;
  Color color = Color::kRgb;
  double range = 1;               // what the brightest byte becomes
  std::vector<double> mean = {};  // subtracted after that: one number, or one a channel
  std::vector<double> std = {};   // and divided by
  DType dtype = DType::kFloat;
};

// One picture as a batch of one: [1, C, H, W] or [1, H, W, C]. Resizing is bilinear, over the area of a pixel
// where the picture shrinks. Throws Error(kUsage) when mean or std do not fit the channels.
Tensor image_tensor(const Image& image, const ImageOptions& options);

}  // namespace dlc::data
