#include "runtime/data/image.h"

#include <algorithm>
#include <cmath>

#include "runtime/data/files.h"
#include "runtime/data/image_codecs.h"
#include "runtime/error.h"

namespace dlc::data {
namespace {

// The weights with which source positions [first, first + weights.size()) make one target position.
struct Taps {
  int64_t first;
  std::vector<float> weights;
};

// Bilinear interpolation between pixel centres; a triangle over all covered pixels where the extent shrinks.
std::vector<Taps> make_taps(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double radius = std::max(scale, 1.0);
  std::vector<Taps> all;
  for (int64_t i = 0; i < to; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(std::floor(center - radius + 0.5)));
    const int64_t last = std::min<int64_t>(from, static_cast<int64_t>(std::floor(center + radius + 0.5)));
    Taps taps{first, {}};
    double sum = 0;
    for (int64_t k = first; k < last; ++k) {
      const double weight = std::max(0.0, 1 - std::fabs((static_cast<double>(k) + 0.5 - center) / radius));
      taps.weights.push_back(static_cast<float>(weight));
      sum += weight;
    }
    for (float& weight : taps.weights) weight = static_cast<float>(weight / sum);
    all.push_back(std::move(taps));
  }
  return all;
}

// height x width x 3, in 0..255.
std::vector<float> resized(const Image& image, int64_t height, int64_t width) {
  const std::vector<Taps> columns = make_taps(image.width, width);
  const std::vector<Taps> rows = make_taps(image.height, height);
  std::vector<float> narrow(static_cast<size_t>(image.height * width * 3), 0);
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const Taps& taps = columns[static_cast<size_t>(x)];
      const uint8_t* from = &image.pixels[static_cast<size_t>((y * image.width + taps.first) * 3)];
      float* to = &narrow[static_cast<size_t>((y * width + x) * 3)];
      for (size_t k = 0; k < taps.weights.size() * 3; ++k) to[k % 3] += taps.weights[k / 3] * from[k];
    }
  }
  std::vector<float> result(static_cast<size_t>(height * width * 3), 0);
  for (int64_t y = 0; y < height; ++y) {
    const Taps& taps = rows[static_cast<size_t>(y)];
    float* to = &result[static_cast<size_t>(y * width * 3)];
    for (size_t k = 0; k < taps.weights.size(); ++k) {
      const float* from = &narrow[static_cast<size_t>((taps.first + static_cast<int64_t>(k)) * width * 3)];
      for (int64_t i = 0; i < width * 3; ++i) to[i] += taps.weights[k] * from[i];
    }
  }
  return result;
}

// ITU-R BT.601 luma, as image libraries convert to grey.
double channel_of(const float* rgb, Color color, int64_t channel) {
  switch (color) {
    case Color::kRgb:
      return rgb[channel];
    case Color::kBgr:
      return rgb[2 - channel];
    case Color::kGray:
      return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
  }
  return 0;
}

double per_channel(const std::vector<double>& values, int64_t channel, int64_t channels, double fallback,
                   const char* what) {
  if (values.empty()) return fallback;
  if (values.size() == 1) return values[0];
  if (static_cast<int64_t>(values.size()) != channels) {
    fail(ErrorKind::kUsage, "--{} has {} numbers; expected 1 or {}", what, values.size(), channels);
  }
  return values[static_cast<size_t>(channel)];
}

void store(Tensor& tensor, int64_t index, double value) {
  if (is_float(tensor.dtype())) {
    tensor.set_double(index, value);
  } else {
    tensor.set_int(index, std::llround(value));
  }
}

}  // namespace

Image read_image(const std::string& path) {
  const std::string bytes = read_file(path);
  try {
    return decode_image(bytes);
  } catch (Error& error) {
    throw error.add_context(path);
  }
}

bool is_image_file(const std::string& path) {
  std::string ending = path.substr(std::min(path.rfind('.'), path.size()));
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  constexpr std::string_view kEndings[] = {".png",  ".jpg",  ".jpeg", ".jp2", ".bmp", ".tif",
                                           ".tiff", ".webp", ".ppm",  ".pgm", ".pbm", ".pnm"};
  return std::find(std::begin(kEndings), std::end(kEndings), ending) != std::end(kEndings);
}

Tensor image_tensor(const Image& image, const ImageOptions& options) {
  const int64_t height = options.height > 0 ? options.height : image.height;
  const int64_t width = options.width > 0 ? options.width : image.width;
  const int64_t channels = options.color == Color::kGray ? 1 : 3;
  const bool first = options.layout == Layout::kNchw;
  Tensor tensor(options.dtype, first ? std::vector<int64_t>{1, channels, height, width}
                                     : std::vector<int64_t>{1, height, width, channels});
  const std::vector<float> pixels = resized(image, height, width);
  for (int64_t c = 0; c < channels; ++c) {
    const double mean = per_channel(options.mean, c, channels, 0, "mean");
    const double std = per_channel(options.std, c, channels, 1, "std");
    if (std == 0) fail(ErrorKind::kUsage, "--std is 0");
    for (int64_t i = 0; i < height * width; ++i) {
      const double value =
          channel_of(&pixels[static_cast<size_t>(i * 3)], options.color, c) * options.range / 255;
      store(tensor, first ? c * height * width + i : i * channels + c, (value - mean) / std);
    }
  }
  return tensor;
}

}  // namespace dlc::data
